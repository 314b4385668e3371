//! CRC-32C (Castagnoli), as RFC 4960 appendix B defines it, octet by octet.
//!
//! Without a table: what it is for has some hundred octets and comes once in a connection.

/// The reflected polynomial 0x1EDC6F41.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A sum so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn update(&mut self, octet: u8) {
        self.0 ^= u32::from(octet);
        for _ in 0..8 {
            let carry = self.0 & 1;
            self.0 = (self.0 >> 1) ^ (POLYNOMIAL & carry.wrapping_neg());
        }
    }

    pub(super) const fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_check_value() {
        let mut crc = Crc32c::new();
        b"123456789".iter().for_each(|octet| crc.update(*octet));
        assert_eq!(crc.value(), 0xe306_9283);
    }
}
