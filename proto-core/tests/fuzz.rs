//! The fuzz bodies on stable, with seeded input.

use proto_core::fuzz::{fuzz_dot, fuzz_proxy, fuzz_sasl};
use testkit::for_each_seed;

#[test]
fn dot_codec() {
    const PARTS: [&[u8]; 9] = [b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\r", b"\n", b".", b"..", b"text", b"\0"];
    for_each_seed(2000, |rng| {
        let mut octets = vec![rng.below(40) as u8];
        for _ in 0..rng.below(30) {
            octets.extend(rng.pick(&PARTS).iter());
        }
        if rng.chance(1, 20) {
            octets.extend(b"a line that is long enough\r\n".repeat(rng.below(200)));
        }
        octets.extend_from_slice(b"\r\n.\r\nrest");
        fuzz_dot(&octets);
    });
}

#[test]
fn proxy_header() {
    const WORDS: [&[u8]; 18] = [
        b"PROXY ",
        b"TCP4 ",
        b"TCP6 ",
        b"UNKNOWN",
        b"192.0.2.1 ",
        b"2001:db8::1 ",
        b"::ffff:1.2.3.4 ",
        b"25 ",
        b"25",
        b"65535 ",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"0",
        b"EHLO",
        b"\xff",
        b"\0",
    ];
    const BINARY: [&[u8]; 12] = [
        b"\x21",
        b"\x20",
        b"\x11",
        b"\x31",
        b"\0\x0c",
        b"\0\x13",
        b"\0\0",
        b"\x03\0\x04",
        b"\x04\0\x01",
        b"1234",
        b"\xff",
        b"123456789012",
    ];
    for_each_seed(5000, |rng| {
        let mut octets = vec![rng.below(40) as u8];
        let binary = rng.chance(1, 2);
        octets.extend(if binary { b"\r\n\r\n\0\r\nQUIT\n".iter() } else { b"PROXY ".iter() });
        for _ in 0..rng.below(12) {
            octets.extend(if binary { rng.pick(&BINARY).iter() } else { rng.pick(&WORDS).iter() });
        }
        fuzz_proxy(&octets);
    });
}

#[test]
fn sasl() {
    const PARTS: [&[u8]; 30] = [
        b"\xff",
        b"\xff",
        b"\xff",
        b"\0",
        b"\x01",
        b",",
        b"=",
        b"n,,",
        b"y,,",
        b"p=tls-exporter,,",
        b"a=u",
        b"n=u,",
        b"r=c",
        b"r=cs",
        b"r=cx,s=AAAA,i=4096",
        b"r=x",
        b"c=biws,",
        b",p=",
        b",m=x",
        b"=2C",
        b"v=",
        b"e=x",
        b"u",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"user=u",
        b"auth=Bearer t",
        b"\x01\x01",
        b"\xcc\x88",
        b"u 0123456789abcdef0123456789abcdef",
    ];
    const WHOLE: [&[u8]; 4] = [b"n,,n=u,r=c\xff", b"\xff", b"r=cx,s=AAAA,i=4096\xff", b"\0u\0p"];
    for_each_seed(3000, |rng| {
        let mut octets = vec![rng.below(256) as u8, rng.below(256) as u8];
        octets.extend(rng.pick(&WHOLE).iter());
        for _ in 0..rng.below(10) {
            octets.extend(rng.pick(&PARTS).iter());
        }
        fuzz_sasl(&octets);
    });
}
