//! Lists for people: columns under headings, one line a thing.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A table of texts.
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Only headings yet.
    pub(crate) fn new(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(ToOwned::to_owned)] }
    }

    /// One more line. Control characters do not reach the terminal.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        let harmless = |cell: String| {
            let clean = cell.replace(char::is_control, "\u{fffd}");
            if clean.is_empty() { "-".to_owned() } else { clean }
        };
        self.rows.push(cells.map(harmless));
    }

    /// The whole text.
    pub(crate) fn render(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// A moment in the person's time zone.
pub(crate) fn moment(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.row(["web01.example".into(), "good".into()]);
        table.row(["a\u{1b}[2J".into(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME           STATE\nweb01.example  good\na\u{fffd}[2J          -\n"
        );
    }
}
