//! Who may send mail where: access and relay policy as a pure library that explains itself.
