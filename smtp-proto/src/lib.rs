//! SMTP, ESMTP and submission as sans-I/O machines, server and client.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
