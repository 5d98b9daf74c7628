//! Expressions of manifests: JMESPath.
