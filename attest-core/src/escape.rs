//! Text of strangers on a terminal: origins, reasons, paths and recipes come from the network, and a control character or
//! a change of direction in them could hide or forge what a person reads.
use std::fmt::{self, Write as _};

/// Shows a text on one line, with everything that is not plainly visible written as `\u{HEX}`.
///
/// Escaped are control characters (C0, DEL, C1: the latter hold the one-byte CSI), line and paragraph separators, and the
/// characters that change direction or have no width.
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

/// Whether a character is not plainly visible, so that [`Escaped`] writes it out.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
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
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }
}
