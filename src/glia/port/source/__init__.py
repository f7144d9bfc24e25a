"""Reading a project without running it: files, names, guards, and the places where rules look."""
