// Named arrays out of a chain, and back into one.
//
// A class with a memory has a method `state(Archive&)` that hands over every number that the next
// transition depends on; the same method describes, saves and loads. What is read back may come
// from a damaged file: numbers that steer memory or loops are checked against their range.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "vector.hpp"

namespace probgen {

enum FieldKind : int64_t { kReal, kInteger, kWord };

// One array as Python sees it: rows x columns; without rows a vector, without columns a number.
struct Field {
    char name[40];
    int64_t kind;
    int64_t rows;
    int64_t columns;
    void* data;
};

class Archive {
  public:
    enum Mode : int32_t { kDescribe, kSave, kLoad };

    Archive(Mode mode, Field* fields, int64_t capacity)
        : mode_(mode), fields_(fields), capacity_(capacity) {}

    // Fields met so far, or -1 - i where field i holds what it cannot hold.
    int64_t result() const { return refused_ < 0 ? count_ : -1 - refused_; }

    // A number within bounds; NaN is outside of all.
    void real(const char* name, double& value, double least = -INFINITY,
              double most = INFINITY) {
        array(name, kReal, &value, 0, 0, 0);
        if (mode_ == kLoad && !(value >= least && value <= most)) refuse();
    }

    template <class Integer>
    void integer(const char* name, Integer& value, int64_t least, int64_t most) {
        int64_t wide = int64_t(value);
        array(name, kInteger, &wide, 0, 0, 0);
        if (mode_ != kLoad) return;
        if (wide < least || wide > most) return refuse();
        value = Integer(wide);
    }

    void vector(const char* name, double* data, size_t size) {
        array(name, kReal, data, 0, size, 0);
    }

    // A vector of finite numbers above `least`.
    void finite(const char* name, double* data, size_t size, double least = -INFINITY) {
        vector(name, data, size);
        if (mode_ != kLoad) return;
        for (size_t i = 0; i < size; ++i)
            if (!std::isfinite(data[i]) || !(data[i] > least)) return refuse();
    }

    // Rows that lie `stride` numbers apart.
    void matrix(const char* name, double* data, size_t rows, size_t columns, size_t stride) {
        array(name, kReal, data, rows, columns, stride);
    }

    void words(const char* name, uint64_t* data, size_t size) {
        array(name, kWord, data, 0, size, 0);
    }

  private:
    void refuse() {
        if (refused_ < 0) refused_ = count_ - 1;
    }

    // Numbers of all kinds are eight bytes long.
    void array(const char* name, FieldKind kind, void* data, size_t rows, size_t columns,
               size_t stride) {
        const int64_t index = count_++;
        if (index >= capacity_) return;
        Field& field = fields_[index];
        if (mode_ == kDescribe) {
            std::snprintf(field.name, sizeof field.name, "%s", name);
            field.kind = kind;
            field.rows = int64_t(rows);
            field.columns = int64_t(columns);
            return;
        }
        const size_t length = 8 * (columns ? columns : 1);
        for (size_t row = 0; row < (rows ? rows : 1); ++row) {
            char* own = static_cast<char*>(data) + row * 8 * stride;
            char* theirs = static_cast<char*>(field.data) + row * length;
            std::memcpy(mode_ == kSave ? theirs : own, mode_ == kSave ? own : theirs, length);
        }
    }

    const Mode mode_;
    Field* fields_;
    const int64_t capacity_;
    int64_t count_ = 0, refused_ = -1;
};

}  // namespace probgen
