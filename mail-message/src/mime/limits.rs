//! What a scan may keep, and what it has left of it.

/// The bounds of a scan. What lies beyond them is served as it is and not described.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many multiparts and messages may lie inside one another.
    pub depth_max: usize,
    /// How many parts a message may have, those of enclosed messages included.
    pub parts_max: usize,
    /// How many parameters are read of one field.
    pub parameters_max: usize,
    /// How many parameters and language tags are read of the whole message.
    pub parameters_total_max: usize,
    /// How many addresses are read of the whole message.
    pub addresses_max: usize,
    /// How much is read of one field, in octets.
    pub field_bytes_max: usize,
    /// How many octets of values are kept of the whole message. A field that does not fit is taken for absent; a
    /// part whose `Content-Type` does not fit is `application/octet-stream`.
    pub values_bytes_max: usize,
}

impl Default for Limits {
    /// 64 deep, 4096 parts, 64 parameters a field and 4096 in all, 4096 addresses, 64 KiB a field, 1 MiB in all:
    /// about 6 MiB for the most hostile message.
    fn default() -> Limits {
        Limits {
            depth_max: 64,
            parts_max: 4096,
            parameters_max: 64,
            parameters_total_max: 4096,
            addresses_max: 4096,
            field_bytes_max: 64 << 10,
            values_bytes_max: 1 << 20,
        }
    }
}

/// What is left of the limits that count over the whole message.
pub(super) struct Budget {
    parts: usize,
    parameters: usize,
    pub(super) addresses: usize,
    values_bytes: usize,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Budget {
        Budget {
            parts: limits.parts_max,
            parameters: limits.parameters_total_max,
            addresses: limits.addresses_max,
            values_bytes: limits.values_bytes_max,
        }
    }

    pub(super) fn take_part(&mut self) -> bool {
        let there = self.parts > 0;
        self.parts -= usize::from(there);
        there
    }

    pub(super) fn take_value(&mut self, bytes: usize) -> bool {
        let there = bytes <= self.values_bytes;
        if there {
            self.values_bytes -= bytes;
        }
        there
    }

    /// How many parameters the next field may have.
    pub(super) fn parameters(&self, limits: &Limits) -> usize {
        limits.parameters_max.min(self.parameters)
    }

    pub(super) fn take_parameters(&mut self, count: usize) {
        self.parameters = self.parameters.saturating_sub(count);
    }
}
