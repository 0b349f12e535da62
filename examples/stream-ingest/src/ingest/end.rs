//! The one table of the ways in which a connection ends.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    DeviceClosed,
    DeviceReset,
    /// No frame came for too long.
    Idle,
    /// What was sent was not read in time.
    Unread,
    /// The only device that is heard has as many others as it may.
    TooMany,
    /// It carries more devices, or epochs of them, than a connection may.
    TooManyDevices,
    /// By a drain, with nothing on its way any more.
    Drained,
    /// By a drain whose time was over, or by a panic.
    Aborted,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The label of its metric.
    pub name: &'static str,
    /// Whether it is logged with the errors.
    pub is_error: bool,
}

impl End {
    pub const ALL: [Self; 8] = [
        Self::DeviceClosed,
        Self::DeviceReset,
        Self::Idle,
        Self::Unread,
        Self::TooMany,
        Self::TooManyDevices,
        Self::Drained,
        Self::Aborted,
    ];

    pub fn row(self) -> Row {
        let row = |name, is_error| Row { name, is_error };
        match self {
            Self::DeviceClosed => row("device_closed", false),
            Self::DeviceReset => row("device_reset", false),
            Self::Idle => row("idle", false),
            Self::Unread => row("unread", true),
            // A flood of connections must not become a flood of lines.
            Self::TooMany => row("too_many", false),
            Self::TooManyDevices => row("too_many_devices", false),
            Self::Drained => row("drained", false),
            Self::Aborted => row("aborted", true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_stands_in_the_table_where_it_is_counted_and_has_a_label_of_its_own() {
        assert!(End::ALL.iter().enumerate().all(|(place, end)| *end as usize == place));
        let labels: std::collections::BTreeSet<_> = End::ALL.map(|end| end.row().name).into();
        assert_eq!(labels.len(), End::ALL.len());
    }
}
