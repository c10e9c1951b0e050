//! `eq`, `ne`, `lt`, `le`, `gt`, `ge` by Go's rules: only like with like, integers whatever their sign, and nil.

use std::cmp::Ordering;
use std::rc::Rc;

use super::budget::Budget;
use super::error::Fail;
use super::value::Value;

/// Whether `first` is equal to any of `others`.
pub(super) fn equal(budget: &mut Budget, first: &Value, others: &[Value]) -> Result<bool, Fail> {
    if others.is_empty() {
        return Err(Fail::Wrong("missing argument for comparison".to_owned()));
    }
    for other in others {
        if equal_to(budget, first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(clippy::float_cmp, reason = "a template compares them exactly")]
fn equal_to(budget: &mut Budget, a: &Value, b: &Value) -> Result<bool, Fail> {
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Complex(real, imaginary), Value::Complex(real_b, imaginary_b)) => {
            real == real_b && imaginary == imaginary_b
        }
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => {
            budget.look(a.len().min(b.len()))?;
            a == b
        }
        _ => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a == b,
            _ => equal_unlike(a, b)?,
        },
    })
}

/// Two values that are not of one basic kind: whether both or neither are nil, and for pointers whether they are one.
fn equal_unlike(a: &Value, b: &Value) -> Result<bool, Fail> {
    if a.is_nothing() || b.is_nothing() {
        return Ok(!is_basic(a) && !is_basic(b) && a.is_nil() == b.is_nil());
    }
    let incompatible =
        || Fail::Wrong(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()));
    if is_basic(a) || is_basic(b) {
        return Err(incompatible());
    }
    let same_kind = match (a, b) {
        (Value::Pointer(_) | Value::Properties(_), Value::Pointer(_) | Value::Properties(_))
        | (Value::List(_) | Value::Image(_), Value::List(_) | Value::Image(_)) => true,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    if !same_kind {
        return Err(incompatible());
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() == b.is_nil());
    }
    match (a, b) {
        (Value::Pointer(a), Value::Pointer(b)) => Ok(Rc::ptr_eq(a, b)),
        (Value::Properties(Some(a)), Value::Properties(Some(b))) => Ok(Rc::ptr_eq(a, b)),
        (Value::Pointer(_), Value::Properties(_)) | (Value::Properties(_), Value::Pointer(_)) => Ok(false),
        // No slice, map or struct here is comparable in Go.
        _ => Err(Fail::Wrong(format!("non-comparable type {}", b.type_name()))),
    }
}

/// How `a` stands to `b`; `None` beside a NaN.
pub(super) fn order(budget: &mut Budget, a: &Value, b: &Value) -> Result<Option<Ordering>, Fail> {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => {
            budget.look(a.len().min(b.len()))?;
            Ok(Some(a.cmp(b)))
        }
        _ => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => Ok(Some(a.cmp(&b))),
            _ if !is_basic(a) || !is_basic(b) || (is_unordered(a) && is_unordered(b)) => {
                Err(Fail::Wrong("invalid type for comparison".to_owned()))
            }
            _ => {
                let (a, b) = (a.type_name(), b.type_name());
                Err(Fail::Wrong(format!("incompatible types for comparison: {a} and {b}")))
            }
        },
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Byte(byte) => Some(i64::from(*byte)),
        _ => None,
    }
}

fn is_unordered(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Complex(..))
}

fn is_basic(value: &Value) -> bool {
    is_unordered(value) || integer(value).is_some() || matches!(value, Value::Float(_) | Value::Text(_))
}
