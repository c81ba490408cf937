"""`toritsugi simulate record`: what happens on a connected real switch, in the format of tests/traces/README.md."""
