//! Text of strangers on a terminal: origins, reasons, paths and recipes come from the network, and a control character or
//! a change of direction in them could hide or forge what a person reads.
use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// Shows a text on one line, with everything that is not plainly visible written as `\u{HEX}`.
///
/// Escaped are control characters (C0, DEL, C1: the latter hold the one-byte CSI), line and paragraph separators, and the
/// characters that change direction, have no width, or are none (Unicode, "noncharacters").
///
/// ```
/// use attest_core::escape::Escaped;
/// assert_eq!(Escaped("log\u{9b}31m").to_string(), "log\\u{9b}31m");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(f).write_str(self.0)
    }
}

/// Escapes all that is written through it, as [`Escaped`] does: for a `Display` that shows what others wrote anywhere
/// below it.
pub(crate) struct Escaping<'a, 'f>(pub(crate) &'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_hidden(c) {
                write!(self.0, "\\u{{{:x}}}", u32::from(c))?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The same JSON, in which strings have everything that is not plainly visible escaped: outside of them only white space
/// is.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| !matches!(c, '\n' | '\r' | '\t') && is_hidden(c);
    if !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + json.len() / 8);
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character is not plainly visible, so that [`Escaped`] writes it out.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_escaped_and_what_people_write_is_not() {
        for (text, shown) in [
            ("zażółć gęślą – 測試", "zażółć gęślą – 測試"),
            ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("ok\u{202e}lave", "ok\\u{202e}lave"),
            ("\u{2066}x\u{2069}\u{200b}", "\\u{2066}x\\u{2069}\\u{200b}"),
            ("\u{2028}", "\\u{2028}"),
            ("\u{ffff}\u{1fffe}", "\\u{ffff}\\u{1fffe}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn json_stays_the_same_json_without_anything_hidden_in_it() {
        let text = "a\u{202e}b\u{7f}\u{e0041}\u{0}\"\\ é 測";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = escaped_json(&json);
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), [text]);
        assert!(escaped.contains('\n') && !escaped.contains(|c: char| c != '\n' && is_hidden(c)), "{escaped}");
        assert!(matches!(escaped_json("[1,\n\"é\"]"), Cow::Borrowed(_)));
    }
}
