//! From scanned parts to BODYSTRUCTURE.

use alloc::boxed::Box;
use bytes::Bytes;

use super::part::{Content, Message, Part};
use crate::structure::{BasicPart, BodyFields, BodyStructure, Extension, MessagePart, Multipart, TextPart};

impl Message {
    /// What BODYSTRUCTURE tells of the message (RFC 3501 §7.4.2).
    pub fn body_structure(&self) -> BodyStructure {
        self.root.body_structure()
    }
}

impl Part {
    /// What BODYSTRUCTURE tells of the part.
    pub fn body_structure(&self) -> BodyStructure {
        let content_type = &self.fields.content_type;
        let subtype = content_type.subtype.clone();
        let extension = Extension {
            disposition: self.fields.disposition.clone(),
            language: self.fields.language.clone(),
            location: self.fields.location.clone(),
        };
        match &self.content {
            Content::Multipart(parts) => BodyStructure::Multipart(Multipart {
                parts: parts.iter().map(Part::body_structure).collect(),
                subtype,
                parameters: content_type.parameters.clone(),
                extension,
            }),
            Content::Message(message) => BodyStructure::Message(MessagePart {
                subtype,
                fields: self.body_fields(),
                envelope: Box::new(message.envelope.clone()),
                body: Box::new(message.body_structure()),
                lines: self.body_lines,
                extension,
            }),
            Content::Leaf if content_type.has_type("text") => BodyStructure::Text(TextPart {
                subtype,
                fields: self.body_fields(),
                lines: self.body_lines,
                extension,
            }),
            Content::Leaf => BodyStructure::Basic(BasicPart {
                media_type: content_type.media_type.clone(),
                subtype,
                fields: self.body_fields(),
                extension,
            }),
        }
    }

    fn body_fields(&self) -> BodyFields {
        BodyFields {
            parameters: self.fields.content_type.parameters.clone(),
            id: self.fields.id.clone(),
            description: self.fields.description.clone(),
            encoding: self.fields.encoding.clone().unwrap_or(Bytes::from_static(b"7bit")),
            octets: self.body.end - self.body.start,
            md5: self.fields.md5.clone(),
        }
    }
}
