//! However a stream is cut into reads, the same frames come out of it.

use blender_pool::wire::{FrameError, Framer, Framing};
use proptest::prelude::*;
use serde_json::Value;

const MAX_BYTES: usize = 4096;
const FRAMINGS: [Framing; 4] =
    [Framing::BareJson, Framing::Newline, Framing::Nul, Framing::Length32];

/// Reads as a connection does: keep what is unfinished, drop what is consumed.
fn receive<'a>(
    framing: Framing,
    max_bytes: usize,
    reads: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut framer = Framer::new(framing, max_bytes);
    let mut buffer: Vec<u8> = Vec::new();
    let mut payloads = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match framer.scan(&buffer) {
                Ok(Some(frame)) => {
                    payloads.push(buffer[frame.start..frame.end].to_vec());
                    buffer.drain(..frame.consumed);
                }
                Ok(None) => break,
                Err(error) => return (payloads, Some(error)),
            }
        }
    }
    (payloads, None)
}

/// Cuts `stream` at the given places, taken modulo its length.
fn cut<'a>(stream: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// The kind of an error: how much had come by then depends on the cuts, that it came does not.
fn kind(error: &Option<FrameError>) -> Option<(bool, usize)> {
    error.as_ref().map(|error| match *error {
        FrameError::TooLarge { limit, .. } => (true, limit),
        FrameError::Malformed { offset, .. } => (false, offset),
    })
}

/// Text with everything that could mislead a scanner: quotes, escapes, brackets, characters of every length.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\""),
        Just("\\"),
        Just("\\\""),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just("\n"),
        Just("\r\n"),
        Just("\0"),
        Just("é"),
        Just("世"),
        Just("🎬"),
        Just("u0022"),
        Just("a b"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    prop::collection::hash_map(text(), value, 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_come_out_whole_wherever_the_stream_is_cut(
        documents in prop::collection::vec(object(), 1..4),
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let documents: Vec<Vec<u8>> =
            documents.iter().map(|document| document.to_string().into_bytes()).collect();
        for framing in FRAMINGS {
            let stream: Vec<u8> =
                documents.iter().flat_map(|document| framing.wrap(document.clone())).collect();
            let cut_anywhere = receive(framing, MAX_BYTES, cut(&stream, &places).into_iter());
            prop_assert_eq!(&cut_anywhere, &(documents.clone(), None), "{:?}", framing);
            let byte_by_byte = receive(framing, MAX_BYTES, stream.chunks(1));
            prop_assert_eq!(&byte_by_byte, &(documents.clone(), None), "{:?}", framing);
        }
    }

    #[test]
    fn padding_between_documents_changes_nothing(
        documents in prop::collection::vec(object(), 1..4),
        padding in "[ \r\n\t]{0,4}",
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let documents: Vec<Vec<u8>> =
            documents.iter().map(|document| document.to_string().into_bytes()).collect();
        for framing in [Framing::BareJson, Framing::Newline] {
            // On a line of its own: what stands in front of a document on its line is part of the line.
            let padding = if framing == Framing::Newline { format!("{padding}\n") } else { padding.clone() };
            let mut stream = Vec::new();
            for document in &documents {
                stream.extend_from_slice(padding.as_bytes());
                stream.extend(framing.wrap(document.clone()));
            }
            let received = receive(framing, MAX_BYTES, cut(&stream, &places).into_iter());
            prop_assert_eq!(&received, &(documents.clone(), None), "{:?}", framing);
        }
    }

    #[test]
    fn hostile_bytes_have_the_same_outcome_wherever_they_are_cut(
        stream in prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"{}[]\"\\ \r\n\0\x01aN".to_vec()),
                1 => any::<u8>(),
            ],
            0..80,
        ),
        max_bytes in 0..40usize,
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        for framing in FRAMINGS {
            let (whole, whole_error) = receive(framing, max_bytes, std::iter::once(&stream[..]));
            let (pieces, error) = receive(framing, max_bytes, cut(&stream, &places).into_iter());
            prop_assert_eq!(&whole, &pieces, "{:?}", framing);
            prop_assert_eq!(kind(&whole_error), kind(&error), "{:?}", framing);
        }
    }
}
