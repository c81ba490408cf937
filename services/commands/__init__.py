"""What `toritsugi` does when somebody types it: a module per group of commands; `beside` is what they share."""
