"""Prints the message whose Subject is SUBJECT, as Python's poplib fetches it.

usage: read_poplib.py HOST PORT plain|starttls|implicit CERTIFICATE USER PASSWORD SUBJECT
"""
import poplib
import ssl
import sys

host, port, tls, certificate, user, password, subject = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
if tls == "implicit":
    server = poplib.POP3_SSL(host, int(port), context=context, timeout=30)
else:
    server = poplib.POP3(host, int(port), timeout=30)
if tls == "starttls":
    server.stls(context=context)
server.user(user)
server.pass_(password)
count, _ = server.stat()
found = []
for number in range(1, count + 1):
    _, header, _ = server.top(number, 0)
    if f"Subject: {subject}".encode() in header:
        found.append(number)
assert len(found) == 1, f"{subject}: found {found}"
_, lines, octets = server.retr(found[0])
message = b"".join(line + b"\r\n" for line in lines)
assert server.list(found[0]).split()[2] == str(len(message)).encode()
server.quit()
sys.stdout.buffer.write(message)
