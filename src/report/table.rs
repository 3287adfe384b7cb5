//! Tables for terminals. Every cell is treated as untrusted.

use super::show::{columns, show_cell};
use super::style::{Paint, Style};

/// A table with one line a row. Cells are shown by [`show_cell`], so any text may be put in.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headers: Vec<String>,
    right: Vec<bool>,
    whole: Vec<bool>,
    rows: Vec<Vec<(String, Option<Style>)>>,
}

impl Table {
    /// A table with these column headings; a heading that starts with `>` makes its column flush right, one that
    /// starts with `=` keeps its cells whole: names that somebody has to type.
    pub fn new<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::default();
        for header in headers {
            table.right.push(header.starts_with('>'));
            table.whole.push(header.starts_with('='));
            table.headers.push(header.trim_start_matches(['>', '=']).to_owned());
        }
        table
    }

    /// Adds a row; cells beyond the headings are dropped, missing ones are empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        self.rows.push(cells.into_iter().map(|cell| (cell.into(), None)).collect());
        self
    }

    /// Styles one cell of the newest row.
    pub fn style(&mut self, column: usize, style: Style) -> &mut Self {
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.get_mut(column)) {
            cell.1 = Some(style);
        }
        self
    }

    /// True when it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lays the table out within `width` columns: the widest columns give way, cells are cut at their end.
    pub fn render(&self, width: usize, paint: Paint) -> String {
        const GAP: usize = 2;
        const NARROWEST: usize = 8;
        let count = self.headers.len();
        if count == 0 {
            return String::new();
        }
        let cell = |row: &[(String, Option<Style>)], column: usize, limit: usize| -> (String, Option<Style>) {
            row.get(column).map_or((String::new(), None), |(text, style)| (show_cell(text, limit), *style))
        };
        let mut widths: Vec<usize> = (0..count)
            .map(|column| {
                let body = self.rows.iter().map(|row| columns(&cell(row, column, width).0)).max().unwrap_or(0);
                body.max(columns(&self.headers[column]))
            })
            .collect();
        while widths.iter().sum::<usize>() + GAP * (count - 1) > width.max(count * (NARROWEST + GAP)) {
            // The first widest gives way, so the layout does not depend on anything but the cells.
            let gives = |column: &usize| !self.whole[*column] && widths[*column] > NARROWEST;
            let widest = (0..count).filter(gives).map(|column| widths[column]).max().unwrap_or(0);
            match (0..count).filter(gives).find(|column| widths[*column] == widest) {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
        let mut out = String::new();
        let mut line = |cells: Vec<(String, Option<Style>)>| {
            let mut text = String::new();
            for (column, (cell, style)) in cells.into_iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(columns(&cell)));
                let painted = style.map_or_else(|| cell.clone(), |style| paint.wrap(style, &cell));
                let (before, after) = if self.right[column] { (pad.as_str(), "") } else { ("", pad.as_str()) };
                text.push_str(before);
                text.push_str(&painted);
                text.push_str(after);
                text.push_str(&" ".repeat(GAP));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        line(self.headers.iter().map(|header| (header.clone(), Some(Style::Title))).collect());
        for row in &self.rows {
            line((0..count).map(|column| cell(row, column, widths[column])).collect());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_stays_whole() {
        let mut table = Table::new(["=ID", "TEXT"]);
        table.row(["hold_0123456789ab", "a text that is much longer than there is room for"]);
        let text = table.render(30, Paint::default());
        assert!(text.contains("hold_0123456789ab"), "{text}");
        assert!(text.lines().all(|line| columns(line) <= 30), "{text}");
    }

    #[test]
    fn columns_line_up_and_hostile_cells_stay_on_their_line() {
        let mut table = Table::new(["ID", ">SIZE", "WHY"]);
        table.row(["hold_1", "5", "ok"]).row(["hold_22", "1234", "two\nlines\u{1b}[2J"]);
        let text = table.render(80, Paint::default());
        assert_eq!(
            text,
            "ID       SIZE  WHY\nhold_1      5  ok\nhold_22  1234  two\u{27E6}U+000A LF\u{27E7}lines\u{27E6}U+001B ESC\u{27E7}[2J\n"
        );
    }

    #[test]
    fn a_wide_cell_gives_way() {
        let mut table = Table::new(["A", "B"]);
        table.row(["short".to_owned(), "x".repeat(500)]);
        let text = table.render(80, Paint::default());
        assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        assert!(text.contains("x\u{27E6}\u{2026}\u{27E7}"), "{text}");
    }
}
