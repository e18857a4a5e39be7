"""From a folder of files to data sets: reads the log and the files, and never changes them."""
