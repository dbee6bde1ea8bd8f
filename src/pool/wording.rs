//! How faults and alerts speak of what a slot holds, where the words differ between pools. What a
//! code says when nothing more is known stands in [`CODES`](crate::fault::CODES).

/// The words of one kind of pool.
#[derive(Debug)]
pub struct Wording {
    /// What a caller gets.
    pub thing: &'static str,
    /// More than one.
    pub things: &'static str,
    /// What happens to one that is not wanted any more.
    pub closed: &'static str,
    /// How one comes into being.
    pub opening: &'static str,
    /// What a check that is not answered is, up to "for … ms"; `{}` where the endpoint is named.
    pub silent: &'static str,
    /// What to do about such a check.
    pub silent_advice: &'static str,
    /// What an earlier check is told as, that has no answer yet.
    pub still_silent: &'static str,
    /// What to do when clearing the pool took one from its holder.
    pub cleared_advice: &'static str,
    /// What to do when closing the pool took one from its holder.
    pub cut_advice: &'static str,
    /// The same for a command of the holder's that was not sent.
    pub unsent_advice: &'static str,
    /// What to do when none can be opened.
    pub down_advice: &'static str,
}

/// Of a pool of connections to Blenders.
pub static CONNECTIONS: Wording = Wording {
    thing: "connection",
    things: "connections",
    closed: "closed",
    opening: "Opening a connection",
    silent: "{} has not answered a ping",
    silent_advice: "Blender may be rendering or show a dialog, or the connection is dead. It is closed when that goes on (healthCheckFailures).",
    still_silent: "it has not answered the ping of an earlier check",
    cleared_advice: "See delivered for whether the command may have run; call ready() when Blender is there again.",
    cut_advice: "The command may have run: check the scene. Give close() a longer timeoutMs to let work finish.",
    unsent_advice: "The command was not sent. Give close() a longer timeoutMs to let holders finish.",
    down_advice: "Start Blender and the add-on's server, and check host and port; the cause is the last real error. retryBackoffMs says how soon it is tried again.",
};

/// Of a pool of what user code makes.
pub static RESOURCES: Wording = Wording {
    thing: "resource",
    things: "resources",
    closed: "destroyed",
    opening: "Making a resource",
    silent: "validate has not finished",
    silent_advice: "Look at what validate waits for, or raise healthCheckTimeoutMs. The resource is destroyed when that goes on (healthCheckFailures).",
    still_silent: "the validate of an earlier check has not finished",
    cleared_advice: "Stop using it. Call ready() when what create connects to is there again, then acquire another.",
    cut_advice: "Stop using it. Give close() a longer timeoutMs to let work finish.",
    unsent_advice: "Stop using it. Give close() a longer timeoutMs to let work finish.",
    down_advice: "Look at the cause, the last error of create, and whether what it connects to is there. retryBackoffMs says how soon it is tried again.",
};
