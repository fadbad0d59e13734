//! One pass over a JSON text that holds it to I-JSON, without building anything from it.

use std::borrow::Cow;

use super::{IJsonError, MAX_DEPTH, MAX_INTEGER};
use crate::artifact::excerpt;

/// The text, when it is I-JSON within the limits of this module.
pub(super) fn check(bytes: &[u8]) -> Result<&str, IJsonError> {
    let text = std::str::from_utf8(bytes).map_err(|e| IJsonError::NotUtf8 { offset: e.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(IJsonError::ByteOrderMark);
    }
    // U+FDD0 begins with EF in UTF-8, and all other noncharacters with EF or more.
    let suspect = bytes.iter().any(|byte| *byte >= 0xef);
    let mut checker = Checker { text, at: 0, keys: Vec::with_capacity(KEYS), suspect };
    checker.white_space();
    checker.value(0)?;
    checker.white_space();
    if checker.at < text.len() {
        return Err(IJsonError::TrailingBytes { offset: checker.at });
    }
    Ok(text)
}

/// Keys that the open objects of most texts have together.
const KEYS: usize = 32;

struct Checker<'a> {
    text: &'a str,
    at: usize,
    /// Keys of all open objects, innermost last: one allocation for the whole text.
    keys: Vec<Cow<'a, str>>,
    /// Whether the text has a byte that may begin a noncharacter (an escape can make one all the same).
    suspect: bool,
}

impl<'a> Checker<'a> {
    /// Recursion is bounded by [`MAX_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<(), IJsonError> {
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(IJsonError::TooDeep { offset: self.at }),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), IJsonError> {
        let first_key = self.keys.len();
        self.at += 1;
        self.white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotes"));
            }
            let key = self.string()?;
            self.keys.push(key);
            self.white_space();
            self.expect(b':', "':'")?;
            self.white_space();
            self.value(depth)?;
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("',' or '}'")),
            }
            self.white_space();
        }
        // Sorting keeps an object of thousands of keys from costing the square of that.
        let keys = &mut self.keys[first_key..];
        keys.sort_unstable();
        if let Some([twice, ..]) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(IJsonError::DuplicateKey { key: excerpt(twice), offset: self.at });
        }
        self.keys.truncate(first_key);
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), IJsonError> {
        self.at += 1;
        self.white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
            self.white_space();
        }
    }

    /// The string that begins here, unescaped.
    fn string(&mut self) -> Result<Cow<'a, str>, IJsonError> {
        let text = self.unescaped()?;
        let suspect = self.suspect || matches!(text, Cow::Owned(_));
        if suspect && text.chars().any(is_noncharacter) {
            return Err(IJsonError::Noncharacter { offset: self.at });
        }
        Ok(text)
    }

    fn unescaped(&mut self) -> Result<Cow<'a, str>, IJsonError> {
        self.at += 1;
        let mut plain_from = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            self.at += self.text.as_bytes()[self.at..].iter().take_while(|byte| is_plain(**byte)).count();
            match self.peek() {
                Some(b'"') => {
                    let plain = &self.text[plain_from..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(plain),
                        Some(mut text) => {
                            text.push_str(plain);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(&self.text[plain_from..self.at]);
                    let c = self.escape()?;
                    text.push(c);
                    plain_from = self.at;
                }
                _ => return Err(self.unexpected("a character of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, IJsonError> {
        let start = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    /// After `\u`: four digits, and the second half of a surrogate pair where one begins (RFC 8259 section 7).
    fn unicode_escape(&mut self, start: usize) -> Result<char, IJsonError> {
        let lone = IJsonError::LoneSurrogate { offset: start };
        let unit = self.four_hex_digits()?;
        if !(0xd800..0xe000).contains(&unit) {
            return char::from_u32(unit).ok_or(lone);
        }
        if unit >= 0xdc00 || !self.text[self.at..].starts_with("\\u") {
            return Err(lone);
        }
        self.at += 2;
        let low = self.four_hex_digits()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(lone);
        }
        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).ok_or(lone)
    }

    fn four_hex_digits(&mut self) -> Result<u32, IJsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit =
                self.peek().and_then(|b| char::from(b).to_digit(16)).ok_or_else(|| self.unexpected("a hex digit"))?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), IJsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let integer_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        let exact = if self.at == integer_end {
            number.trim_start_matches('-').parse::<u64>().is_ok_and(|n| n <= MAX_INTEGER)
        } else {
            number.parse::<f64>().is_ok_and(f64::is_finite)
        };
        if exact { Ok(()) } else { Err(IJsonError::NumberRange { found: excerpt(number), offset: start }) }
    }

    fn digits(&mut self) -> Result<(), IJsonError> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected("a digit"));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<(), IJsonError> {
        for b in word.bytes() {
            self.expect(b, word)?;
        }
        Ok(())
    }

    fn expect(&mut self, b: u8, expected: &'static str) -> Result<(), IJsonError> {
        if self.peek() != Some(b) {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected(&self, expected: &'static str) -> IJsonError {
        // `at` is on a character boundary wherever something unexpected is found: only ASCII is stepped over singly,
        // except inside strings, where every byte from 0x20 on is expected.
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => IJsonError::Syntax { expected, found, offset: self.at },
            None => IJsonError::Truncated { offset: self.at },
        }
    }
}

/// What stands in a string as it is.
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Unicode section 23.7.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..0xfdf0).contains(&code) || code & 0xfffe == 0xfffe
}
