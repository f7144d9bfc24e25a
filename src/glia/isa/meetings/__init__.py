"""Instructions on which several cores or ranks meet."""
