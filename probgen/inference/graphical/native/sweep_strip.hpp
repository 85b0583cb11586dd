#pragma once
// A strip of 64 chains, whose states lie side by side in rows of bytes: indices into tables.
//
// Random words of (sweep, variable): a strip has 64 of them. Thresholds take 15 bits a chain, the
// high byte from words 0-7 and the low one from 8-15; only where these tie with a threshold are 32
// more bits drawn (words 32-63), so a draw is exact to 47 bits. Products take 32 bits a chain from
// words 0-31.
#include "sweep_lanes.hpp"
#include "sweep_model.hpp"

namespace sweep {

using namespace lanes;

constexpr int WORDS_PER_STRIP = 64;

// A block of chains: row v, `width` bytes long, holds the states of variable v.
struct Block {
    uint8_t* states;
    int64_t width;
    uint8_t* row(int32_t v) const { return states + v * width; }
};

struct Strip {
    const Block& block;
    int64_t column;      // of the block
    uint64_t row;        // random row of (sweep, variable)
    uint64_t first_word; // of the strip
    uint8_t* at(int32_t v) const { return block.row(v) + column; }
};

struct Indices {
    Words part[4];
};

inline Indices widen(Bytes bytes) {
    Indices indices;
    for (int q = 0; q < 4; q++)
        indices.part[q] = words_of_bytes((const uint8_t*)&bytes + 16 * q);
    return indices;
}

// Sum of stride * state, when it fits into a byte: no product carries into the byte beside it.
inline Bytes byte_index(const Model& model, const Group& group, const Strip& strip) {
    Shorts sum = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        sum += load<Shorts>(strip.at(parent.row)) * (uint16_t)parent.stride;
    }
    return (Bytes)sum;
}

inline Indices short_index(const Model& model, const Group& group, const Strip& strip) {
    Shorts low = {}, high = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        const uint8_t* states = strip.at(parent.row);
        low += shorts_of_bytes(states) * (uint16_t)parent.stride;
        high += shorts_of_bytes(states + 32) * (uint16_t)parent.stride;
    }
    Indices indices;
    for (int q = 0; q < 4; q++) {
        const Shorts& half = q < 2 ? low : high;
        indices.part[q] = words_of_shorts((const uint16_t*)&half + 16 * (q & 1));
    }
    return indices;
}

inline Indices wide_index(const Model& model, const Group& group, const Strip& strip) {
    Indices indices = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        Indices states = widen(load<Bytes>(strip.at(parent.row)));
        for (int q = 0; q < 4; q++) indices.part[q] += states.part[q] * parent.stride;
    }
    return indices;
}

inline Indices index_of(const Model& model, const Group& group, const Strip& strip) {
    if (group.largest < 256) return widen(byte_index(model, group, strip));
    if (group.largest < 65536) return short_index(model, group, strip);
    return wide_index(model, group, strip);
}

}  // namespace sweep
