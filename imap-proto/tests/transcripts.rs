//! The transcripts, at every cut, with published and seeded names and tags.

mod common;

use common::make;
use testkit::Runner;

macro_rules! transcripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            Runner::server().check(concat!("tests/transcripts/", stringify!($name), ".txt"), make);
        }
    )*};
}

transcripts!(auth fetch view mailbox hostile);
