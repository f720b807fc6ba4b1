//! Tensors: a shape and row-major data of one of ONNX's element types.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The type of a tensor's elements. 16-bit floats are widened to [`DType::F32`] when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum DType {
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    String,
}

impl DType {
    /// Whether values of this type carry a derivative.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Bytes that an element takes; for strings, those of the handle.
    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::String => size_of::<String>(),
        }
    }

    /// The name that numpy uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::Bool => "bool",
            Self::String => "string",
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Row-major elements of one type, owned.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Buffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

/// Row-major elements of one type, borrowed.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Slice<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    Bool(&'a [bool]),
    String(&'a [String]),
}

/// Row-major elements of one type, borrowed to be written.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum SliceMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I8(&'a mut [i8]),
    I16(&'a mut [i16]),
    I32(&'a mut [i32]),
    I64(&'a mut [i64]),
    U8(&'a mut [u8]),
    U16(&'a mut [u16]),
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
    Bool(&'a mut [bool]),
    String(&'a mut [String]),
}

/// Runs one body for whatever element type the data has: `each_type!(buffer, Buffer, v => v.len())`.
#[macro_export]
macro_rules! each_type {
    ($value:expr, $enum:ident, $v:ident => $body:expr) => {
        match $value {
            $enum::F32($v) => $body,
            $enum::F64($v) => $body,
            $enum::I8($v) => $body,
            $enum::I16($v) => $body,
            $enum::I32($v) => $body,
            $enum::I64($v) => $body,
            $enum::U8($v) => $body,
            $enum::U16($v) => $body,
            $enum::U32($v) => $body,
            $enum::U64($v) => $body,
            $enum::Bool($v) => $body,
            $enum::String($v) => $body,
        }
    };
}

/// A Rust type that a tensor's elements can have.
pub trait Element: Clone + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// Its [`DType`].
    const DTYPE: DType;
    /// The elements, if they are of this type.
    fn slice(data: Slice<'_>) -> Option<&[Self]>;
    /// The elements, if they are of this type.
    fn slice_mut(data: SliceMut<'_>) -> Option<&mut [Self]>;
    /// Owned elements of this type.
    fn buffer(data: Vec<Self>) -> Buffer;
}

macro_rules! elements {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl Element for $type {
            const DTYPE: DType = DType::$variant;
            fn slice(data: Slice<'_>) -> Option<&[Self]> {
                if let Slice::$variant(v) = data { Some(v) } else { None }
            }
            fn slice_mut(data: SliceMut<'_>) -> Option<&mut [Self]> {
                if let SliceMut::$variant(v) = data { Some(v) } else { None }
            }
            fn buffer(data: Vec<Self>) -> Buffer {
                Buffer::$variant(data)
            }
        })*

        impl Buffer {
            /// The elements' type.
            pub fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant,)* }
            }
            /// `len` elements, all zero, false or empty.
            pub fn zeros(dtype: DType, len: usize) -> Self {
                match dtype { $(DType::$variant => Self::$variant(vec![Default::default(); len]),)* }
            }
            /// No elements, with room for so many.
            pub fn with_capacity(dtype: DType, len: usize) -> Self {
                match dtype { $(DType::$variant => Self::$variant(Vec::with_capacity(len)),)* }
            }
            /// A view of the elements.
            pub fn as_slice(&self) -> Slice<'_> {
                match self { $(Self::$variant(v) => Slice::$variant(v),)* }
            }
            /// A view of the elements, to write them.
            pub fn as_slice_mut(&mut self) -> SliceMut<'_> {
                match self { $(Self::$variant(v) => SliceMut::$variant(v),)* }
            }
        }

        impl<'a> Slice<'a> {
            /// The elements' type.
            pub fn dtype(self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant,)* }
            }
            /// The elements of a range; panics outside the data, as slices do.
            pub fn range(self, range: std::ops::Range<usize>) -> Slice<'a> {
                match self { $(Self::$variant(v) => Slice::$variant(&v[range]),)* }
            }
            /// Where the elements lie in memory.
            pub fn address(&self) -> usize {
                match self { $(Self::$variant(v) => v.as_ptr().addr(),)* }
            }
            /// An owned copy.
            pub fn to_buffer(self) -> Buffer {
                match self { $(Self::$variant(v) => Buffer::$variant(v.to_vec()),)* }
            }
        }

        impl<'a> SliceMut<'a> {
            /// The elements' type.
            pub fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant,)* }
            }
            /// The same elements for a shorter time.
            pub fn reborrow(&mut self) -> SliceMut<'_> {
                match self { $(Self::$variant(v) => SliceMut::$variant(v),)* }
            }
            /// The elements of a range; panics outside the data, as slices do.
            pub fn range(self, range: std::ops::Range<usize>) -> SliceMut<'a> {
                match self { $(Self::$variant(v) => SliceMut::$variant(&mut v[range]),)* }
            }
            /// Copies elements of the same type and number; false, and nothing copied, for others.
            pub fn copy_from(&mut self, from: Slice<'_>) -> bool {
                match (self, from) {
                    $((Self::$variant(to), Slice::$variant(from)) if to.len() == from.len() => {
                        to.clone_from_slice(from);
                        true
                    })*
                    _ => false,
                }
            }
        }
    };
}

elements! {
    f32 => F32, f64 => F64, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, bool => Bool, String => String,
}

impl Buffer {
    /// The number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, Buffer, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Slice<'_> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, Slice, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The product of a shape's sizes; `None` where it does not fit.
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// The product of a shape's sizes with each zero taken for a one, which bounds the product of any of them; `None` where it does not fit.
pub fn span(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)))
}

/// A shape and its elements, row-major. A clone shares the elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<Storage>,
}

/// Elements, and what was made of them.
struct Storage {
    elements: Buffer,
    forms: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Storage {
    fn new(elements: Buffer) -> Arc<Self> {
        Arc::new(Self { elements, forms: Mutex::default() })
    }
}

impl PartialEq for Storage {
    fn eq(&self, other: &Self) -> bool {
        self.elements == other.elements
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.elements.fmt(f)
    }
}

impl Tensor {
    /// A tensor of a shape and as many elements; `None` where the numbers differ.
    pub fn from_buffer(shape: &[usize], data: Buffer) -> Option<Self> {
        (elements(shape)? == data.len()).then(|| Self { shape: shape.to_vec(), data: Storage::new(data) })
    }

    /// A tensor of a shape and as many elements; `None` where the numbers differ.
    pub fn new<T: Element>(shape: &[usize], data: Vec<T>) -> Option<Self> {
        Self::from_buffer(shape, T::buffer(data))
    }

    /// A one-dimensional tensor.
    pub fn vector<T: Element>(data: Vec<T>) -> Self {
        Self { shape: vec![data.len()], data: Storage::new(T::buffer(data)) }
    }

    /// A tensor of no dimensions and one element.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self { shape: Vec::new(), data: Storage::new(T::buffer(vec![value])) }
    }

    /// All zero, false or empty; `None` where the size does not fit.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Option<Self> {
        Some(Self { shape: shape.to_vec(), data: Storage::new(Buffer::zeros(dtype, elements(shape)?)) })
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements' type.
    pub fn dtype(&self) -> DType {
        self.data().dtype()
    }

    /// The elements.
    pub fn data(&self) -> &Buffer {
        &self.data.elements
    }

    /// The elements in another form, say laid out for a kernel: what `make` gives, or what it gave before for the same key, while anybody still
    /// holds that. So plans that use the same weights have them laid out once.
    pub fn form<K: PartialEq + Send + 'static, F: Send + Sync + 'static>(
        &self,
        key: K,
        make: impl FnOnce() -> F,
    ) -> Arc<F> {
        // A thread that panicked left the list whole.
        let lock = || self.data.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = |form: &Box<dyn Any + Send>| match form.downcast_ref::<(K, Weak<F>)>() {
            Some((k, form)) if *k == key => form.upgrade(),
            _ => None,
        };
        if let Some(found) = lock().iter().find_map(of_key) {
            return found;
        }
        let made = Arc::new(make());
        let mut forms = lock();
        forms.retain(|form| {
            form.downcast_ref::<(K, Weak<F>)>().is_none_or(|(_, form)| form.strong_count() > 0)
        });
        forms.push(Box::new((key, Arc::downgrade(&made))));
        made
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data().len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, if they are of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::slice(self.data().as_slice())
    }

    /// A view of it.
    pub fn view(&self) -> View<'_> {
        View { shape: &self.shape, data: self.data().as_slice() }
    }

    /// The same elements in another shape of the same size; `None` where the sizes differ.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        (elements(shape)? == self.len()).then(|| Self { shape: shape.to_vec(), data: Arc::clone(&self.data) })
    }

    /// The elements, taken without a copy where nobody else holds them.
    pub fn into_buffer(self) -> Buffer {
        match Arc::try_unwrap(self.data) {
            Ok(storage) => storage.elements,
            Err(shared) => shared.elements.clone(),
        }
    }

    /// The elements as `f64`; `None` for strings. Booleans give 0 and 1.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        Some(match self.data() {
            Buffer::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::F64(v) => v.clone(),
            Buffer::I8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::I16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::I32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Buffer::U8(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::U16(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Buffer::U64(v) => v.iter().map(|&x| x as f64).collect(),
            Buffer::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
            Buffer::String(_) => return None,
        })
    }

    /// The elements as `i64`; `None` for floats and strings and for what does not fit.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        Some(match self.data() {
            Buffer::I8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::I16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::I32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::I64(v) => v.clone(),
            Buffer::U8(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::U16(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::U32(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::U64(v) => v.iter().map(|&x| i64::try_from(x).ok()).collect::<Option<_>>()?,
            Buffer::Bool(v) => v.iter().map(|&x| i64::from(x)).collect(),
            Buffer::F32(_) | Buffer::F64(_) | Buffer::String(_) => return None,
        })
    }

    /// The same values as floats of type `dtype`, for a float tensor; anything else unchanged.
    pub fn with_precision(&self, dtype: DType) -> Self {
        let data = match (self.data(), dtype) {
            (Buffer::F32(v), DType::F64) => Buffer::F64(v.iter().map(|&x| f64::from(x)).collect()),
            (Buffer::F64(v), DType::F32) => Buffer::F32(v.iter().map(|&x| x as f32).collect()),
            _ => return self.clone(),
        };
        Self { shape: self.shape.clone(), data: Storage::new(data) }
    }
}

/// A borrowed tensor.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The sizes of its dimensions.
    pub shape: &'a [usize],
    /// Its elements.
    pub data: Slice<'a>,
}

impl<'a> View<'a> {
    /// The elements, if they are of type `T`.
    pub fn as_slice<T: Element>(&self) -> Option<&'a [T]> {
        T::slice(self.data)
    }

    /// An owned copy.
    pub fn to_tensor(&self) -> Tensor {
        Tensor { shape: self.shape.to_vec(), data: Storage::new(self.data.to_buffer()) }
    }
}

/// A borrowed tensor to be written.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// The sizes of its dimensions.
    pub shape: &'a [usize],
    /// Its elements.
    pub data: SliceMut<'a>,
}

impl ViewMut<'_> {
    /// The elements, if they are of type `T`.
    pub fn as_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        T::slice_mut(self.data.reborrow())
    }
}
