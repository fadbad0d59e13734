//! Where in the user's file an error is: the line, and marks under what is meant.

use attest_core::policy::PolicyError;

/// A line that is longer is shown around the place.
const MAX_WIDTH: usize = 100;

/// To go under the message.
pub(super) fn pointed(text: &str, error: &PolicyError) -> String {
    let Some(line) = text.lines().nth(error.line - 1) else { return String::new() };
    let start = if error.column > MAX_WIDTH / 2 { error.column - MAX_WIDTH / 2 } else { 1 };
    // What is in the file may rewrite the terminal.
    let printable = |c: char| {
        if c == '\t' {
            ' '
        } else if c.is_control() {
            '\u{fffd}'
        } else {
            c
        }
    };
    let shown: String = line.chars().skip(start - 1).take(MAX_WIDTH).map(printable).collect();
    let number = error.line.to_string();
    let margin = " ".repeat(number.len());
    let marks = error.width.min((start + MAX_WIDTH).saturating_sub(error.column)).max(1);
    let (before, marks) = (" ".repeat(error.column - start), "^".repeat(marks));
    format!("\n {margin} |\n {number} | {}\n {margin} | {before}{marks}", shown.trim_end())
}

#[cfg(test)]
mod tests {
    use attest_core::policy::Policy;

    use super::*;

    #[test]
    fn the_marks_are_under_what_is_meant() {
        let text = "version = 1\nserial = 0x\n";
        let error = Policy::parse(text).unwrap_err();
        let shown = pointed(text, &error);
        let lines: Vec<_> = shown.lines().skip(1).collect();
        assert_eq!(lines[1], " 2 | serial = 0x");
        assert!(lines[2].trim_end().ends_with('^'), "{shown}");
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let long = format!("{}threshold = 0 # {}", " ".repeat(500), "x".repeat(500));
        let error = Policy::parse(&format!("version = 2\n{long}\n")).unwrap_err();
        assert!(pointed("", &error).is_empty());
        let far = PolicyError { line: 1, column: 513, width: 1, kind: error.kind };
        let shown = pointed(&long, &far);
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        let column = shown.lines().last().unwrap().find('^').unwrap();
        assert_eq!(shown.lines().nth(2).unwrap().chars().nth(column), Some('0'), "{shown}");
    }
}
