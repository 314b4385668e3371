//! CRC-32 as in IEEE 802.3, eight octets at a time.

/// What one octet does to the register, after `n` further zero octets.
const TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][octet] = crc;
        octet += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut octet = 0;
        while octet < 256 {
            let crc: u32 = tables[n - 1][octet];
            tables[n][octet] = crc >> 8 ^ tables[0][(crc & 0xff) as usize];
            octet += 1;
        }
        n += 1;
    }
    tables
};

/// A sum over octets that come in pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(!0)
    }

    #[must_use]
    pub(crate) fn add(self, data: &[u8]) -> Self {
        let mut crc = self.0;
        let (blocks, rest) = data.as_chunks::<8>();
        for block in blocks {
            let low = u32::from_le_bytes([block[0], block[1], block[2], block[3]]) ^ crc;
            let low = low.to_le_bytes();
            crc = TABLES[7][low[0] as usize]
                ^ TABLES[6][low[1] as usize]
                ^ TABLES[5][low[2] as usize]
                ^ TABLES[4][low[3] as usize]
                ^ TABLES[3][block[4] as usize]
                ^ TABLES[2][block[5] as usize]
                ^ TABLES[1][block[6] as usize]
                ^ TABLES[0][block[7] as usize];
        }
        for &octet in rest {
            crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ octet)];
        }
        Self(crc)
    }

    pub(crate) fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_however_it_is_cut() {
        let whole = b"123456789";
        for cut in 0..=whole.len() {
            assert_eq!(Crc::new().add(&whole[..cut]).add(&whole[cut..]).sum(), 0xcbf4_3926);
        }
        let long: Vec<u8> = (0..1000_u32).map(|octet| (octet * 7) as u8).collect();
        let bitwise =
            !long.iter().fold(!0_u32, |crc, &octet| {
                (0..8).fold(crc ^ u32::from(octet), |crc, _| {
                    if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
                })
            });
        assert_eq!(Crc::new().add(&long).sum(), bitwise);
    }
}
