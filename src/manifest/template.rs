//! Templates of manifests: JSON values with `{expression}` in their texts.
