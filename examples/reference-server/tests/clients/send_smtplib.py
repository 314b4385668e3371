"""Sends the message on standard input by Python's smtplib.

usage: send_smtplib.py HOST PORT plain|starttls|implicit CERTIFICATE USER PASSWORD SENDER RECIPIENT [MECHANISM]
An empty USER means no login. Without MECHANISM, smtplib chooses.
"""
import smtplib
import ssl
import sys

host, port, tls, certificate, user, password, sender, recipient = sys.argv[1:9]
message = sys.stdin.buffer.read()
context = ssl.create_default_context(cafile=certificate)
if tls == "implicit":
    server = smtplib.SMTP_SSL(host, int(port), context=context, timeout=30)
else:
    server = smtplib.SMTP(host, int(port), timeout=30)
with server:
    server.ehlo()
    if tls == "starttls":
        server.starttls(context=context)
        server.ehlo()
    if user and len(sys.argv) > 9:
        server.user, server.password = user, password
        name = sys.argv[9]
        code, reply = server.auth(name, getattr(server, "auth_" + name.lower().replace("-", "_")))
        assert code == 235, reply
    elif user:
        server.login(user, password)
    assert server.sendmail(sender, [recipient], message) == {}
