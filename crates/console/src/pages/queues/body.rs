//! The body of a message as people read it: JSON with one member a line, text, or bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::value::text;

/// How a body is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Json,
    Text,
    Hex,
}

/// Bytes that are shown as such: beyond that, nobody looks.
const HEX_BYTES: usize = 8 * 1024;

/// Bytes in a line.
const HEX_LINE: usize = 16;

impl View {
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Text, Self::Hex];

    /// Its name in addresses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Hex => "hex",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Text => "Text",
            Self::Hex => "Bytes",
        }
    }
}

/// The bytes of a message's body, as far as the API gave them.
pub(super) fn bytes(message: &Value) -> Vec<u8> {
    let payload = text(message, "payload");
    match text(message, "payload_encoding") {
        "base64" => STANDARD.decode(payload).unwrap_or_default(),
        _ => payload.as_bytes().to_vec(),
    }
}

/// The views that a body has, the best one first.
pub(super) fn views(body: &[u8]) -> Vec<View> {
    let Ok(text) = std::str::from_utf8(body) else { return vec![View::Hex, View::Text] };
    // A number or a word alone is JSON, too, but nothing is gained by that.
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json { View::ALL.to_vec() } else { vec![View::Text, View::Hex] }
}

/// A body as it is shown.
pub(super) fn shown(body: &[u8], view: View) -> String {
    match view {
        View::Json => indented(&String::from_utf8_lossy(body)),
        View::Text => String::from_utf8_lossy(body).into_owned(),
        View::Hex => hex(body),
    }
}

/// JSON with one member a line. Numbers and texts stay as they are written, and so does their order:
/// what is shown is what was sent.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut letters = json.chars().filter(|it| !it.is_control()).peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' => {}
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if_eq(&' ').is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(letter),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    // Deeper ones would be nothing but spaces.
    const DEEPEST: usize = 64;
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
}

/// Bytes with their places, and as letters where they are some.
fn hex(body: &[u8]) -> String {
    let mut out = String::new();
    for (line, bytes) in body.chunks(HEX_LINE).take(HEX_BYTES / HEX_LINE).enumerate() {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let letters: String = bytes.iter().map(letter).collect();
        let digits = digits.join(" ");
        out.push_str(&format!("{:08x}  {digits:<47}  {letters}\n", line * HEX_LINE));
    }
    if body.len() > HEX_BYTES {
        out.push_str("\u{2026}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_text_and_text_from_bytes() {
        assert_eq!(views(b" {\"a\": 1}")[0], View::Json);
        assert_eq!(views(b"{a: 1}")[0], View::Text);
        assert_eq!(views(b"17")[0], View::Text);
        assert_eq!(views(b"\xff\x00")[0], View::Hex);
        assert_eq!(views(b"")[0], View::Text);
    }

    #[test]
    fn json_is_indented_and_stays_what_it_was() {
        let json =
            "{\"b\": [1.50, {}, [ ]],\n\"a\":\"x, \\\"{y\\\\\", \"n\":12345678901234567890123}";
        let expected = "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"x, \\\"{y\\\\\",\n  \
                        \"n\": 12345678901234567890123\n}";
        assert_eq!(indented(json), expected);
        assert_eq!(indented(&"[".repeat(3)), "[\n  [\n    [\n      ", "damaged, but no harm");
    }

    #[test]
    fn bytes_have_their_places_and_letters() {
        assert_eq!(
            hex(b"Warren\x00\xff 12345678"),
            "00000000  57 61 72 72 65 6e 00 ff 20 31 32 33 34 35 36 37  Warren...1234567\n\
             00000010  38                                               8\n"
        );
        assert!(hex(&[0; HEX_BYTES + 1]).ends_with("\u{2026}\n"));
    }
}
