//! The fuzz bodies on stable, with seeded input.

use proto_core::fuzz::fuzz_dot;
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
