//! Message text on the wire: lines, transparency dots, and the one true end.
//!
//! SMTP's DATA (RFC 5321 section 4.5.2) and POP3's multi-line responses (RFC 1939 section 3) frame a text the
//! same way: a line that begins with `.` gets a second one, and a line that is `.` alone ends the text. The
//! [decoder](DotDecoder) reads that form, the [encoder](DotEncoder) writes it; both stream. Where a text comes in chunks
//! instead (SMTP's BDAT), a [decoder of its own](ChunkDecoder) judges it likewise.
//!
//! Only `CR LF . CR LF` ends a text, or `. CR LF` at its very start. No policy changes where the end is: what is
//! done about a CR or an LF that stands alone is decided on the decoded octets, after the end has been searched
//! for. A text that one server ends earlier than another is how mail is smuggled.

mod chunk;
mod decoder;
mod encoder;
mod scan;

#[cfg(test)]
mod tests;

pub use chunk::ChunkDecoder;
pub use decoder::{Decoded, DotDecoder, DotEnd};
pub use encoder::DotEncoder;

/// What a decoder does about CR and LF that do not stand together (RFC 5321 section 2.3.8 forbids them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecodePolicy {
    /// Hands out nothing from the first fault on, swallows the text to its true end and reports the fault there.
    #[default]
    Reject,
    /// Makes a bare LF into CR LF and a bare CR into a space, so that what is handed out holds neither.
    Normalize,
    /// Hands them out as they are: for a peer that is trusted to know what it sends.
    Raw,
}

/// What an encoder does about CR and LF that do not stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodePolicy {
    /// Fails with [`BareEol`].
    #[default]
    Refuse,
    /// Makes a bare LF into CR LF and a bare CR into a space, as [`DecodePolicy::Normalize`] does.
    Repair,
    /// Makes a bare LF into CR LF and sends a bare CR as it is: for a mail reader that is to get the stored octets.
    /// Not for SMTP, where no CR may travel alone.
    RepairLf,
}

/// A CR or an LF that does not stand in a CR LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BareEol {
    /// CR not followed by LF.
    #[error("bare CR")]
    Cr,
    /// LF not preceded by CR.
    #[error("bare LF")]
    Lf,
}
