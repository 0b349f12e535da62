//! The board, behind a few functions. All that the rest of the firmware knows of it:
//!
//! | item | what |
//! |---|---|
//! | `start_clock` | starts the core's clock, and tells how fast it is, in Hz |
//! | `start_uart` | enables the link's UART and its interrupts |
//! | `resume_receiving` | hands over what the queue had no room for |
//! | `can_transmit`, `transmit` | gives the UART a byte if it has room |
//! | `sample` | reads the sensor |
//! | `on_uart0_rx` | handles the interrupt of this name |
//! | `on_uart0_tx` | handles the interrupt of this name |
//! | `start_watchdog`, `feed_watchdog` | an unfed watchdog calls `watchdog::on_bark`, then resets |

mod chip;
mod cmsdk_uart;
pub(crate) mod interrupt;
mod made_up_sensor;
mod mps2_an385;
mod sp805;

pub(crate) use mps2_an385::*;
