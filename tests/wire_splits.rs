//! However a stream is cut into reads, the same frames come out of it.

use blender_pool::wire::{Checked, DIALECTS, Dialect, FrameError, Framer, Framing, Scalar};
use proptest::prelude::*;
use serde_json::{Map, Value};

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
fn kind(error: &Option<FrameError>) -> Option<(&'static str, usize)> {
    error.as_ref().map(|error| match *error {
        FrameError::TooLarge { limit, .. } => ("too large", limit),
        FrameError::Malformed { offset, .. } => ("malformed", offset),
        FrameError::NotALength { found } => ("no length", u32::from_be_bytes(found) as usize),
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

/// A success as the row's add-on would write it, framed.
fn reply_of(row: &Dialect, id: u64, result: &str) -> Vec<u8> {
    let ok = match row.reply.ok.equals {
        Scalar::Text(text) => Value::from(text),
        Scalar::Flag(flag) => Value::from(flag),
    };
    let mut fields = Map::from_iter([
        (row.reply.ok.field.to_owned(), ok),
        (row.reply.result.to_owned(), Value::from(result)),
    ]);
    if let Some(shape) = row.request.id() {
        let echo = if shape.text { Value::from(id.to_string()) } else { Value::from(id) };
        fields.insert(shape.field.to_owned(), echo);
    }
    row.framing.wrap(Value::Object(fields).to_string().into_bytes())
}

/// Text of that many bytes in characters of one to four.
fn text_of(bytes: usize) -> String {
    let mut text = "aé→𝄞".repeat(bytes / 10);
    text.push_str(&"x".repeat(bytes % 10));
    text
}

#[test]
fn each_rows_reply_is_taken_for_the_answer_wherever_it_is_cut_in_two() {
    for row in &DIALECTS {
        let stream = reply_of(row, 7, "aé→𝄞\"\\}{\n\0]");
        for place in 0..=stream.len() {
            let (head, tail) = stream.split_at(place);
            let (payloads, error) = receive(row.framing, MAX_BYTES, [head, tail].into_iter());
            assert_eq!((payloads.len(), error), (1, None), "{} at {place}", row.name);
            let checked = row.check_reply(7, &payloads[0]);
            assert_eq!(checked, Ok(Checked { ok: true, ascii: false }), "{} at {place}", row.name);
        }
    }
}

#[test]
fn each_rows_reply_of_up_to_a_megabyte_is_taken_in_odd_pieces() {
    for row in &DIALECTS {
        for bytes in [0, 1, 9, 1_023, 65_535, 65_536, 65_537, 1_048_576] {
            let text = text_of(bytes);
            let stream = reply_of(row, 7, &text);
            let (payloads, error) = receive(row.framing, stream.len(), stream.chunks(8_191));
            assert_eq!((payloads.len(), error), (1, None), "{} {bytes}", row.name);
            assert!(row.check_reply(7, &payloads[0]).is_ok_and(|reply| reply.ok), "{}", row.name);
            let reply: Value = serde_json::from_slice(&payloads[0]).unwrap();
            assert!(reply[row.reply.result] == *text, "{} {bytes}", row.name);
        }
    }
}

#[test]
fn each_rows_reply_above_the_limit_is_refused_however_it_comes() {
    for row in &DIALECTS {
        let stream = reply_of(row, 7, &text_of(1_000));
        for piece in [1, 7, stream.len()] {
            let (payloads, error) = receive(row.framing, 999, stream.chunks(piece));
            assert!(payloads.is_empty(), "{}", row.name);
            assert_eq!(kind(&error), Some(("too large", 999)), "{}", row.name);
        }
    }
}
