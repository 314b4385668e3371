"""Prints the message whose Subject is SUBJECT, as Python's imaplib reads it from INBOX.

usage: read_imaplib.py HOST PORT plain|starttls|implicit CERTIFICATE USER PASSWORD SUBJECT
"""
import imaplib
import ssl
import sys

host, port, tls, certificate, user, password, subject = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
if tls == "implicit":
    server = imaplib.IMAP4_SSL(host, int(port), ssl_context=context, timeout=30)
else:
    server = imaplib.IMAP4(host, int(port), timeout=30)
if tls == "starttls":
    server.starttls(ssl_context=context)
server.login(user, password)
status, _ = server.select("INBOX", readonly=True)
assert status == "OK"
status, found = server.uid("SEARCH", "SUBJECT", f'"{subject}"')
assert status == "OK"
uids = found[0].split()
assert len(uids) == 1, f"{subject}: found {uids}"
status, data = server.uid("FETCH", uids[0], "(RFC822.SIZE BODY.PEEK[])")
assert status == "OK"
assert f"RFC822.SIZE {len(data[0][1])}".encode() in data[0][0], data[0][0]
server.close()
server.logout()
sys.stdout.buffer.write(data[0][1])
