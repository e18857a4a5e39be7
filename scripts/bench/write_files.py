"""write_files.py FOLDER BYTES COUNT: the floor under any downloader, each file written aside and renamed."""

import os
import sys

folder, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.makedirs(folder, exist_ok=True)
body = os.urandom(size)
aside = os.path.join(folder, ".part")
for number in range(count):
    file = os.open(aside, os.O_WRONLY | os.O_CREAT)
    os.write(file, body)
    os.close(file)
    os.rename(aside, os.path.join(folder, str(number)))
