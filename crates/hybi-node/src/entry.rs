//! What Node.js looks for in the library.

use crate::addon;
use crate::napi::Module;
use napi_sys::{napi_env, napi_value};

/// The version of Node-API that is needed: Node.js 12.22, 14.17, 15.12 and later have it.
// SAFETY: Node-API defines the name and the type.
#[unsafe(no_mangle)]
extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}

/// Called once for each environment: the main thread, and each worker that loads the addon.
///
/// # Safety
/// Only Node.js calls it, while it loads the addon.
// SAFETY: Node-API defines the name and the type.
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_register_module_v1(env: napi_env, exports: napi_value) -> napi_value {
    // SAFETY: called by Node.js, with its arguments.
    unsafe { Module::register(env, exports, addon::set_up) }
}
