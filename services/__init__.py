"""The services of Toritsugi, one folder each; none imports another."""
