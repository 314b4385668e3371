//! The files that are shipped beside the program.

mod internet;
