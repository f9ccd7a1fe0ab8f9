"""Runs a command in a terminal of its own, presses keys once a text is shown, and prints as JSON
what it wrote and how it ended: in_terminal.py COLUMNS ROWS TEXT KEYS COMMAND..."""

import fcntl
import json
import os
import pty
import struct
import sys
import termios


def main() -> None:
    columns, rows, text, keys, *command = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
        os.execve(command[0], command, {**os.environ, "TERM": "xterm-256color"})
    output = b""
    is_pressed = False
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when the last process has closed it
            break
        if not chunk:
            break
        output += chunk
        if not is_pressed and text.encode() in output:
            os.write(terminal, keys.encode())
            is_pressed = True
    _, status = os.waitpid(pid, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"output": output.decode(), "exitCode": exit_code}))


main()
