//! What can be set of a member: nothing that a reader of the wheel would run, unpack elsewhere or trust.

use jiff::civil::DateTime;

/// A value with its spelling, which may lean on the value before it.
pub(super) trait Value: Copy + Eq {
    const WHAT: &'static str;
    const EXPECTED: &'static str;

    fn parse(text: &str, before: Option<Self>) -> Option<Self>;
    fn print(self, before: Option<Self>) -> String;
}

/// A date and time as zips have it: 1980 to 2107, even seconds, of no zone. Text: `2024-02-25T23:17:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZipTime(u32);

impl ZipTime {
    /// From MS-DOS date (upper half) and time; nothing where they are no date.
    pub fn from_dos(dos: u32) -> Option<Self> {
        let time = Self(dos);
        time.civil().is_some().then_some(time)
    }

    /// Seconds since 1970 read as a time of no zone; an odd one becomes the even one before. Nothing outside 1980 to 2107.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        let time = jiff::Timestamp::from_second(seconds - seconds.rem_euclid(2)).ok()?;
        Self::from_civil(jiff::tz::Offset::UTC.to_datetime(time))
    }

    /// MS-DOS date (upper half) and time.
    pub fn dos(self) -> u32 {
        self.0
    }

    fn from_civil(time: DateTime) -> Option<Self> {
        let field = |value: i8| u32::try_from(value).ok();
        let year = u32::try_from(i32::from(time.year()) - 1980).ok().filter(|year| *year < 128)?;
        let date = year << 9 | field(time.month())? << 5 | field(time.day())?;
        let clock = field(time.hour())? << 11 | field(time.minute())? << 5 | (field(time.second())? / 2);
        let dos = Self(date << 16 | clock);
        // Odd seconds have no place.
        (dos.civil() == Some(time)).then_some(dos)
    }

    fn civil(self) -> Option<DateTime> {
        let (date, time) = (self.0 >> 16, self.0 & 0xffff);
        let field = |value: u32| i8::try_from(value).ok();
        let year = i16::try_from(1980 + (date >> 9)).ok()?;
        let (month, day) = (field(date >> 5 & 15)?, field(date & 31)?);
        DateTime::new(year, month, day, field(time >> 11)?, field(time >> 5 & 63)?, field((time & 31) * 2)?, 0).ok()
    }
}

impl Value for ZipTime {
    const WHAT: &'static str = "times";
    const EXPECTED: &'static str = "a zip's time (2024-02-25T23:17:32, of even seconds), then how many seconds another one is later (+2) or earlier (-2)";

    fn parse(text: &str, before: Option<Self>) -> Option<Self> {
        match before.and_then(Self::civil) {
            None => Self::from_civil(text.parse().ok()?),
            Some(before) => {
                let seconds: i64 = text.parse().ok()?;
                Self::from_civil(before.checked_add(jiff::Span::new().try_seconds(seconds).ok()?).ok()?)
            }
        }
    }

    fn print(self, before: Option<Self>) -> String {
        // Every value of this type is a date.
        let Some(time) = self.civil() else { return String::new() };
        match before.and_then(Self::civil) {
            None => time.to_string(),
            Some(before) => format!("{:+}", time.duration_since(before).as_secs()),
        }
    }
}

/// A Unix mode: permissions, and that it is a file or a folder or nothing of that. No setuid, setgid or sticky bit, no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZipMode(u32);

impl ZipMode {
    const S_IFMT: u32 = 0o170_000;
    const S_IFREG: u32 = 0o100_000;
    const S_IFDIR: u32 = 0o040_000;

    /// Nothing where it has other bits.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let kind = bits & Self::S_IFMT;
        (bits & !(Self::S_IFMT | 0o777) == 0 && matches!(kind, 0 | Self::S_IFREG | Self::S_IFDIR)).then_some(Self(bits))
    }

    /// The mode.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether a member may have it: a folder's type is not for files, nor the other way round.
    pub fn fits(self, is_folder: bool) -> bool {
        match self.0 & Self::S_IFMT {
            0 => true,
            kind => (kind == Self::S_IFDIR) == is_folder,
        }
    }
}

impl Value for ZipMode {
    const WHAT: &'static str = "modes";
    const EXPECTED: &'static str = "octal permissions, with 100000 of a file, 40000 of a folder or no type";

    fn parse(text: &str, _: Option<Self>) -> Option<Self> {
        Self::from_bits(u32::from_str_radix(text, 8).ok()?)
    }

    fn print(self, _: Option<Self>) -> String {
        format!("{:o}", self.0)
    }
}

/// What made a member, as zips have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZipSystem {
    /// 0: what Python writes on Windows.
    Dos,
    /// 3.
    Unix,
}

impl ZipSystem {
    /// Nothing for the other systems that zips know.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Dos),
            3 => Some(Self::Unix),
            _ => None,
        }
    }

    /// As in the zip.
    pub fn number(self) -> u8 {
        match self {
            Self::Dos => 0,
            Self::Unix => 3,
        }
    }
}

impl Value for ZipSystem {
    const WHAT: &'static str = "systems";
    const EXPECTED: &'static str = "system 0 or 3";

    fn parse(text: &str, _: Option<Self>) -> Option<Self> {
        Self::from_number(text.parse().ok()?)
    }

    fn print(self, _: Option<Self>) -> String {
        self.number().to_string()
    }
}
