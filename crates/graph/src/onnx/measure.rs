//! How much memory the messages of a file take once they are decoded, found out before they are: a message of two bytes becomes some
//! hundred.

use super::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TensorAnnotation, TensorProto, TrainingInfoProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::Dimension,
};

/// The most bytes that messages may take beside [`PER_BYTE`] times the file's: millions of nodes.
const MOST: usize = 1 << 30;
/// How many bytes each byte of a file may become beside that.
const PER_BYTE: usize = 4;
/// How deep messages are followed; the decoder goes no deeper.
const MOST_DEPTH: usize = 100;

/// A kind of message whose fields are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Training,
    Graph,
    Node,
    Attribute,
    Function,
    Tensor,
    Sparse,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// A message without repeated ones inside, a text, or bytes, of so many bytes beside its own.
    Leaf(usize),
}

impl Message {
    /// What a field is that has a length.
    fn field(self, number: u64) -> Self {
        use Message::*;
        const TEXT: Message = Leaf(size_of::<String>());
        const ENTRY: Message = Leaf(size_of::<StringStringEntryProto>());
        const OPERATORS: Message = Leaf(size_of::<OperatorSetIdProto>());
        match (self, number) {
            (Model, 7) | (Training, 1 | 2) | (Attribute, 6 | 11) => Graph,
            (Model, 20) => Training,
            (Model, 25) => Function,
            (Model, 8) | (Function, 9) => OPERATORS,
            (Model | Graph | Function, 14) | (Node, 9) | (Graph, 16) | (Tensor, 13) => ENTRY,
            (Graph, 1) | (Function, 7) => Node,
            (Graph, 5) | (Attribute, 5 | 10) | (Sparse, 1 | 2) => Tensor,
            (Graph, 15) | (Attribute, 22 | 23) => Sparse,
            (Graph, 11..=13) | (Function, 12) => ValueInfo,
            (Node, 5) | (Function, 11) => Attribute,
            (Attribute, 14 | 15) | (ValueInfo, 2) => Type,
            (Type, 1 | 8) => TensorType,
            (TensorType, 2) => Shape,
            (Shape, 1) => Leaf(size_of::<Dimension>()),
            (Type, 4 | 5 | 9) | (Node, 10) | (Model, 26) => Leaf(size_of::<TensorAnnotation>()),
            _ => TEXT,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Model => size_of::<ModelProto>(),
            Self::Training => size_of::<TrainingInfoProto>(),
            Self::Graph => size_of::<GraphProto>(),
            Self::Node => size_of::<NodeProto>(),
            Self::Attribute => size_of::<AttributeProto>(),
            Self::Function => size_of::<FunctionProto>(),
            Self::Tensor => size_of::<TensorProto>(),
            Self::Sparse => size_of::<SparseTensorProto>(),
            Self::ValueInfo => size_of::<ValueInfoProto>(),
            Self::Type | Self::TensorType | Self::Shape => size_of::<TypeProto>(),
            Self::Leaf(size) => size,
        }
    }
}

/// About how many bytes the messages of a model take, where that is more than they may.
pub(super) fn too_many(bytes: &[u8]) -> Option<usize> {
    let mut total = 0;
    follow(Message::Model, bytes, 0, &mut total);
    (total > MOST.saturating_add(bytes.len().saturating_mul(PER_BYTE))).then_some(total)
}

/// Adds up the messages inside one. What is malformed ends it: the decoder says so better.
fn follow(message: Message, mut bytes: &[u8], depth: usize, total: &mut usize) {
    while let Some(key) = varint(&mut bytes) {
        let rest = match key & 7 {
            0 => varint(&mut bytes).map(|_| bytes),
            1 => bytes.get(8..),
            5 => bytes.get(4..),
            2 => {
                let length = varint(&mut bytes).and_then(|n| usize::try_from(n).ok());
                let Some((inside, rest)) = length.and_then(|n| bytes.split_at_checked(n)) else { return };
                let field = message.field(key >> 3);
                *total = total.saturating_add(field.size());
                if depth < MOST_DEPTH && !matches!(field, Message::Leaf(_)) {
                    follow(field, inside, depth + 1, total);
                }
                Some(rest)
            }
            _ => None,
        };
        let Some(rest) = rest else { return };
        bytes = rest;
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::too_many;
    use crate::error::ErrorKind;
    use crate::network::Network;

    /// A graph of as many messages of two bytes, as field 7 of a model.
    fn many(field: [u8; 2], count: usize) -> Vec<u8> {
        let inside = field.repeat(count);
        let mut bytes = vec![0x3A];
        prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
        bytes.extend(inside);
        bytes
    }

    #[test]
    fn small_messages_that_become_large_are_refused_before_they_are_decoded() {
        // Nodes, weights, declared values: 10 MB that would be gigabytes.
        for field in [[0x0A, 0], [0x2A, 0], [0x5A, 0]] {
            let error = Network::from_bytes(&many(field, 20_000_000), None).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::TooLarge(_)), "{error}");
            assert!(error.to_string().contains("its messages"), "{error}");
            assert_eq!(too_many(&many(field, 100_000)), None);
        }
    }

    #[test]
    fn lengths_that_lie_end_the_count() {
        for bytes in [
            &b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
            b"\x3a",
            b"\xff",
            b"\x3a\x05\x0a",
            b"\x3b",
            b"",
        ] {
            assert_eq!(too_many(bytes), None);
        }
    }
}
