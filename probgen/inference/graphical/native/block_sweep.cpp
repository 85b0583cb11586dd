// Exact joint draws of blocks of variables given the rest, for many chains at once.
//
// Tables hold LANES chains innermost, so that every table operation is a loop of fixed length
// over chains. A block is eliminated bucket by bucket (Dechter 1999), then its variables are
// drawn in the opposite order.
#include <cstdint>
#include <cstring>
#include "counter_random.hpp"

namespace {

struct Program {
    int64_t blocks, variables;
    const int64_t* block_buckets;  // (blocks + 1): buckets of each block, in elimination order
    const int64_t* block_slices;   // (blocks + 1)
    const int64_t* slices;         // (slices, 4): outside begin, outside end, entries, place
    const int64_t* outside;        // (.., 2): variable, stride in entries of the table
    const int64_t* slice_tables;   // (slices): where the table begins in `numbers`
    const int64_t* buckets;        // (buckets, 9), see Bucket
    const int64_t* rest;           // (.., 2): variable, stride
    const int64_t* inputs;         // (.., 2): place, where its entries begin in `entries`
    const int32_t* entries;
    const double* numbers;
};

// One row of `buckets`. Places are in the workspace, in rows of LANES numbers.
struct Bucket {
    int64_t variable, card, rest_entries, shared, message, inputs_begin, inputs_end, rest_begin,
        rest_end;
};

constexpr int64_t NONE = -1;
// Keeps rounding from taking a target to the last sum, and so to a state of weight zero.
constexpr double BELOW_ONE = 1 - 1e-12;

// Weights are scaled to a maximum of one, so what is lost below 1e-308 could show only where all
// of a sum is below this: such draws fail, and are made in the log domain instead.
constexpr double TINY = 1e-280;

// The states of up to LANES chains, one after the other in rows that are `stride` apart.
template <typename State>
struct Lanes {
    State* states;
    int64_t stride, first;
    int count;

    State* row(int64_t variable) const { return states + variable * stride + first; }
};

template <int LANES, typename State>
inline void add_offsets(const Lanes<State>& lanes, const int64_t* terms, int64_t begin,
                        int64_t end, int64_t* offset) {
    for (int l = 0; l < LANES; ++l) offset[l] = 0;
    for (int64_t t = begin; t < end; ++t) {
        const State* row = lanes.row(terms[2 * t]);
        const int64_t stride = terms[2 * t + 1];
        for (int l = 0; l < lanes.count; ++l) offset[l] += stride * (int64_t)row[l];
    }
    for (int l = lanes.count; l < LANES; ++l) offset[l] = offset[lanes.count - 1];
}

template <int LANES, typename State>
void fill_slices(const Program& p, int64_t block, const Lanes<State>& lanes, double* work) {
    for (int64_t s = p.block_slices[block]; s < p.block_slices[block + 1]; ++s) {
        const int64_t* slice = p.slices + 4 * s;
        const double* table = p.numbers + p.slice_tables[s];
        double* out = work + slice[3] * LANES;
        int64_t offset[LANES];
        add_offsets<LANES>(lanes, p.outside, slice[0], slice[1], offset);
        for (int64_t e = 0; e < slice[2]; ++e)
            for (int l = 0; l < LANES; ++l) out[e * LANES + l] = table[offset[l] + e];
    }
}

// LANES numbers that stay in registers: plain arrays are spilled in these short loops.
template <int LANES>
struct Row {
    static constexpr int WIDTH = LANES < 8 ? LANES : 8, PARTS = LANES / WIDTH;
    typedef double Part __attribute__((vector_size(WIDTH * sizeof(double))));
    typedef Part Anywhere __attribute__((aligned(sizeof(double)), may_alias));
    Part part[PARTS];

    static Row load(const double* from) {
        Row row;
        for (int i = 0; i < PARTS; ++i) row.part[i] = *(const Anywhere*)(from + i * WIDTH);
        return row;
    }
    static Row of(double value) {
        Row row;
        for (int i = 0; i < PARTS; ++i) row.part[i] = Part{} + value;
        return row;
    }
    void store(double* to) const {
        for (int i = 0; i < PARTS; ++i) *(Anywhere*)(to + i * WIDTH) = part[i];
    }
    void operator+=(const Row& other) {
        for (int i = 0; i < PARTS; ++i) part[i] += other.part[i];
    }
    void operator*=(const Row& other) {
        for (int i = 0; i < PARTS; ++i) part[i] *= other.part[i];
    }
    void raise_to(const Row& other) {
        for (int i = 0; i < PARTS; ++i) part[i] = other.part[i] > part[i] ? other.part[i] : part[i];
    }
};

// The message of a bucket: its variable summed out, scaled to maximum one in each chain.
// INPUTS is their number, or 0 for any number.
template <int LANES, int INPUTS>
void eliminate(const Program& p, const Bucket& b, double* work) {
    const double* shared = b.shared == NONE ? nullptr : p.numbers + b.shared;
    const int64_t inputs = INPUTS ? INPUTS : b.inputs_end - b.inputs_begin;
    const int64_t* input = p.inputs + 2 * b.inputs_begin;
    double* message = work + b.message * LANES;
    Row<LANES> top = Row<LANES>::of(0);
    for (int64_t r = 0; r < b.rest_entries; ++r) {
        Row<LANES> sum = Row<LANES>::of(0);
        for (int64_t e = r * b.card; e < (r + 1) * b.card; ++e) {
            const double start = shared ? shared[e] : 1.0;
            if (start == 0) continue;
            Row<LANES> value = Row<LANES>::of(start);
            for (int64_t i = 0; i < inputs; ++i) {
                const int64_t entry = input[2 * i] + p.entries[input[2 * i + 1] + e];
                value *= Row<LANES>::load(work + entry * LANES);
            }
            sum += value;
        }
        sum.store(message + r * LANES);
        top.raise_to(sum);
    }
    double scale[LANES];
    top.store(scale);
    for (int l = 0; l < LANES; ++l) scale[l] = scale[l] > TINY ? 1 / scale[l] : 0;
    for (int64_t r = 0; r < b.rest_entries; ++r)
        for (int l = 0; l < LANES; ++l) message[r * LANES + l] *= scale[l];
}

template <int LANES>
void eliminate(const Program& p, const Bucket& b, double* work) {
    switch (b.inputs_end - b.inputs_begin) {
        case 1: return eliminate<LANES, 1>(p, b, work);
        case 2: return eliminate<LANES, 2>(p, b, work);
        case 3: return eliminate<LANES, 3>(p, b, work);
        default: return eliminate<LANES, 0>(p, b, work);
    }
}

// The states of a bucket given those of its rest; a state of weight zero is never drawn.
// The workspace begins with room for the weights of one variable.
template <int LANES, typename State>
void draw(const Program& p, const Bucket& b, const Lanes<State>& lanes, double* work,
          uint64_t base, uint64_t first_chain, bool* failed) {
    int64_t offset[LANES];
    add_offsets<LANES>(lanes, p.rest, b.rest_begin, b.rest_end, offset);
    const double* shared = b.shared == NONE ? nullptr : p.numbers + b.shared;
    double sum[LANES], target[LANES];
    for (int l = 0; l < LANES; ++l) sum[l] = 0;
    for (int64_t k = 0; k < b.card; ++k) {
        double* value = work + k * LANES;
        for (int l = 0; l < LANES; ++l) value[l] = shared ? shared[offset[l] + k] : 1.0;
        for (int64_t i = b.inputs_begin; i < b.inputs_end; ++i) {
            const int32_t* entry = p.entries + p.inputs[2 * i + 1] + k;
            const double* factor = work + p.inputs[2 * i] * LANES;
            for (int l = 0; l < LANES; ++l)
                value[l] *= factor[(int64_t)entry[offset[l]] * LANES + l];
        }
        for (int l = 0; l < LANES; ++l) sum[l] += value[l];
    }
    for (int l = 0; l < LANES; ++l) {
        const uint64_t chain = first_chain + (uint64_t)(lanes.first + l);
        target[l] = counter::uniform64(counter::bits(base, chain)) * (sum[l] * BELOW_ONE);
        failed[l] |= !(sum[l] > TINY);
        sum[l] = 0;
    }
    // The first state whose cumulative weight exceeds the target, which is below the last.
    int64_t state[LANES];
    for (int l = 0; l < LANES; ++l) state[l] = 0;
    for (int64_t k = 0; k + 1 < b.card; ++k) {
        for (int l = 0; l < LANES; ++l) {
            sum[l] += work[k * LANES + l];
            state[l] += target[l] >= sum[l];
        }
    }
    State* row = lanes.row(b.variable);
    for (int l = 0; l < lanes.count; ++l) row[l] = (State)state[l];
}

template <int LANES, typename State>
int64_t sweep(const Program& p, State* states, int64_t chains, int64_t stride, uint64_t key,
              uint64_t sweep_index, uint64_t first_chain, double* work, State* saved,
              uint8_t* failures) {
    int64_t failed_count = 0;
    for (int64_t first = 0; first < chains; first += LANES) {
        const int count = (int)(chains - first < LANES ? chains - first : LANES);
        const Lanes<State> lanes{states, stride, first, count};
        for (int64_t block = 0; block < p.blocks; ++block) {
            const int64_t begin = p.block_buckets[block], end = p.block_buckets[block + 1];
            const Bucket* buckets = (const Bucket*)p.buckets;
            bool failed[LANES];
            for (int l = 0; l < LANES; ++l) failed[l] = false;
            fill_slices<LANES>(p, block, lanes, work);
            for (int64_t i = begin; i < end; ++i) {
                if (buckets[i].message != NONE)
                    eliminate<LANES>(p, buckets[i], work);
                std::memcpy(saved + (i - begin) * LANES, lanes.row(buckets[i].variable),
                            sizeof(State) * count);
            }
            for (int64_t i = end; i-- > begin;) {
                const uint64_t cell = (uint64_t)(block * p.variables + buckets[i].variable);
                const uint64_t base =
                    counter::row(key, sweep_index, cell, (uint64_t)(p.blocks * p.variables));
                draw<LANES>(p, buckets[i], lanes, work, base, first_chain, failed);
            }
            for (int l = 0; l < count; ++l) {
                if (!failed[l]) continue;
                ++failed_count;
                failures[block * chains + first + l] = 1;
                for (int64_t i = begin; i < end; ++i)
                    lanes.row(buckets[i].variable)[l] = saved[(i - begin) * LANES + l];
            }
        }
    }
    return failed_count;
}

}  // namespace

#define PROBGEN_SWEEP(NAME, LANES, STATE)                                                       \
    extern "C" __attribute__((visibility("default"))) int64_t NAME(                             \
        const Program* program, STATE* states, int64_t chains, int64_t stride, uint64_t key,    \
        uint64_t index, uint64_t first_chain, double* work, STATE* saved, uint8_t* failures) {  \
        return sweep<LANES, STATE>(*program, states, chains, stride, key, index, first_chain,   \
                                   work, saved, failures);                                      \
    }
PROBGEN_SWEEP(probgen_block_sweep_few_u8, 2, uint8_t)
PROBGEN_SWEEP(probgen_block_sweep_many_u8, 16, uint8_t)
PROBGEN_SWEEP(probgen_block_sweep_few_u16, 2, uint16_t)
PROBGEN_SWEEP(probgen_block_sweep_many_u16, 16, uint16_t)
