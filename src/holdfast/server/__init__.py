"""The vault as a process: its socket, its limits, its logs.

- `listening`  the socket, one process or several, how they end
- `protocol`   HTTP/1.1 with limits on what a client may send, and on its time
- `openfiles`  how many files and sockets the system allows
- `cores`      no core dumps
- `access`     one line of log for each request
- `logs`       where and how the process logs

Knows an ASGI application, and nothing of what it does.
"""
