"""Time: what each engine, queue and link does when."""
