//! Log lines on stderr.

use std::sync::Once;

use tracing::level_filters::LevelFilter;

static ONCE: Once = Once::new();

/// Starts logging at the level that `BLENDER_POOL_LOG` names (`error`, `warn`, `info`, `debug` or
/// `trace`); without it, nothing is logged and nothing is formatted. An unknown level is told
/// once. Only the first call looks.
pub fn start() {
    ONCE.call_once(|| {
        let Ok(wanted) = std::env::var("BLENDER_POOL_LOG") else { return };
        if wanted.is_empty() {
            return;
        }
        match wanted.to_ascii_lowercase().parse::<LevelFilter>() {
            Ok(level) => {
                let subscriber = tracing_subscriber::fmt()
                    .with_max_level(level)
                    .with_writer(std::io::stderr)
                    .with_ansi(false)
                    .finish();
                // Somebody else's subscriber in this process goes first.
                let _ = tracing::subscriber::set_global_default(subscriber);
            }
            Err(_) => eprintln!(
                "blender-pool: BLENDER_POOL_LOG={wanted} is not a level; use error, warn, info, debug or trace"
            ),
        }
    });
}
