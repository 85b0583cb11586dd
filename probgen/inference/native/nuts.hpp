// The No-U-Turn sampler: multinomial, with the generalised U-turn criterion.
//
// Hoffman & Gelman (2014) for the doubling, Betancourt (2017) for multinomial weights, biased
// progressive sampling between doublings and the criterion on summed momenta, with the checks
// across neighbouring subtrees that Stan added in 2019. A subtree is built leaf by leaf, without
// recursion: finished pieces wait on a stack like the digits of a binary counter, and its
// proposal is drawn on the way as from a stream (each leaf replaces it with probability
// weight / weight so far), which equals multinomial sampling inside every subtree.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "hamiltonian.hpp"
#include "settings.hpp"
#include "transition.hpp"

namespace probgen {

class Nuts {
  public:
    Nuts(const Settings& settings, Hamiltonian& system, Store& store)
        : system_(system), n_(system.n), max_energy_error_(settings.max_energy_error),
          max_depth_(settings.max_tree_depth), proposal_(system.point(store)), sum_(store.vector()) {
        for (int side = 0; side < 2; ++side) {
            ends_[side] = system.point(store);
            momenta_[side] = store.vector();
        }
        for (int64_t i = 0; i < max_depth_ + 1; ++i)
            stack_.push_back(Piece{store.vector(), store.vector(), store.vector()});
    }

    Transition operator()(Point& current, Rng& rng, double step, const volatile int32_t* stop) {
        Transition result;
        start(current, rng);
        result.energy = initial_energy_;
        while (result.depth < limit_) {
            const int side = rng.coin() ? 1 : 0;
            subtree_weight_ = 0;
            if (!extend(side, result.depth, side ? step : -step, rng, result, stop)) break;
            ++result.depth;
            if (rng.uniform() * weight_ < subtree_weight_) {
                std::swap(current, proposal_);
                result.energy = proposal_energy_;
            }
            weight_ += subtree_weight_;
            Piece& added = stack_[0];
            const bool goes_on = join(momenta_[1 - side], momenta_[side], added.begin, added.end,
                                      sum_, added.sum);
            std::swap(momenta_[side], added.end);
            if (!goes_on) break;
        }
        result.reached_max_depth = result.depth == max_depth_;
        result.acceptance = result.steps ? acceptance_ / double(result.steps) : 0;
        result.energy_error = result.energy - initial_energy_;
        return result;
    }

    // From now on at most `depth` doublings.
    void limit(int64_t depth) { limit_ = std::min(depth, max_depth_); }

  private:
    // A stretch of trajectory: the momenta at its ends, in order of building, and their sum.
    struct Piece {
        double* begin;
        double* end;
        double* sum;
    };

    void start(const Point& current, Rng& rng) {
        initial_energy_ = system_.refresh(rng, momenta_[0]) - current.log_density;
        copy(momenta_[1], momenta_[0], n_);
        copy(sum_, momenta_[0], n_);
        system_.copy_point(ends_[0], current);
        system_.copy_point(ends_[1], current);
        weight_ = 1;
        reference_ = 0;
        acceptance_ = 0;
    }

    // Add 2^depth leaves beyond one end; false when they turn, diverge or are stopped.
    bool extend(int side, int64_t depth, double step, Rng& rng, Transition& result,
                const volatile int32_t* stop) {
        Point& end = ends_[side];
        const double* momentum = momenta_[side];
        if (depth == 0) {
            Piece& piece = stack_[0];
            if (!leaf(end, momentum, piece.begin, step, rng, result)) return false;
            copy(piece.end, piece.begin, n_);
            copy(piece.sum, piece.begin, n_);
            return true;
        }
        size_t level = 0;
        const uint64_t pairs = uint64_t(1) << (depth - 1);
        for (uint64_t pair = 0; pair < pairs; ++pair) {
            if (*stop) {
                result.stopped = true;
                return false;
            }
            Piece& piece = stack_[level++];
            if (!leaf(end, momentum, piece.begin, step, rng, result)) return false;
            if (!leaf(end, piece.begin, piece.end, step, rng, result)) return false;
            if (!join_leaves(piece)) return false;
            momentum = piece.end;
            for (uint64_t carry = pair; carry & 1; carry >>= 1) {
                Piece& right = stack_[--level];
                Piece& left = stack_[level - 1];
                if (!join(left.begin, left.end, right.begin, right.end, left.sum, right.sum))
                    return false;
                std::swap(left.end, right.end);
            }
        }
        return true;
    }

    bool leaf(Point& x, const double* momentum, double* moved, double step, Rng& rng,
              Transition& result) {
        const double energy = system_.leapfrog(x, momentum, moved, step) - x.log_density;
        const double gain = initial_energy_ - energy;
        ++result.steps;
        if (!finite_energy(energy, gain, max_energy_error_)) {
            result.diverging = true;
            return false;
        }
        if (gain - reference_ > 300) rebase(gain);
        const double weight = std::exp(gain - reference_);
        const double probability = reference_ == 0 ? weight : std::exp(gain);
        acceptance_ += probability < 1 ? probability : 1;
        subtree_weight_ += weight;
        if (rng.uniform() * subtree_weight_ < weight) {
            system_.copy_point(proposal_, x);
            proposal_energy_ = energy;
        }
        return true;
    }

    // Weights are kept relative to exp(reference) so that they can be plain doubles.
    void rebase(double gain) {
        const double factor = std::exp(reference_ - gain);
        weight_ *= factor;
        subtree_weight_ *= factor;
        reference_ = gain;
    }

    // Two leaves as a piece; false when they turn. The cross checks coincide with the check here.
    bool join_leaves(Piece& piece) const {
        const Pack* a = packs(piece.begin);
        const Pack* b = packs(piece.end);
        Pack* sum = packs(piece.sum);
        Pack along_a = {}, along_b = {};
        for (size_t i = 0; i < n_; ++i) {
            const Pack both = a[i] + b[i];
            sum[i] = both;
            along_a += a[i] * both;
            along_b += b[i] * both;
        }
        return total(along_a) > 0 && total(along_b) > 0;
    }

    // Whether two neighbouring pieces form one without a U-turn: over the whole, and over each
    // piece with the nearest momentum of the other. `sum` becomes the sum over both. The checks
    // are the same read from either end, so the order of the pieces does not matter.
    bool join(const double* outer, const double* inner, const double* begin, const double* end,
              double* sum, const double* other_sum) const {
        const Pack *a = packs(outer), *b = packs(inner), *c = packs(begin), *d = packs(end);
        const Pack* right = packs(other_sum);
        Pack* left = packs(sum);
        Pack whole_a = {}, whole_d = {}, left_a = {}, left_c = {}, right_b = {}, right_d = {};
        for (size_t i = 0; i < n_; ++i) {
            const Pack whole = left[i] + right[i];
            const Pack left_on = left[i] + c[i];
            const Pack right_on = right[i] + b[i];
            left[i] = whole;
            whole_a += a[i] * whole;
            whole_d += d[i] * whole;
            left_a += a[i] * left_on;
            left_c += c[i] * left_on;
            right_b += b[i] * right_on;
            right_d += d[i] * right_on;
        }
        return total(whole_a) > 0 && total(whole_d) > 0 && total(left_a) > 0 &&
               total(left_c) > 0 && total(right_b) > 0 && total(right_d) > 0;
    }

    Hamiltonian& system_;
    const size_t n_;
    const double max_energy_error_;
    const int64_t max_depth_;
    int64_t limit_ = max_depth_;
    Point ends_[2];         // leftmost and rightmost point of the trajectory
    double* momenta_[2];    // and their momenta
    Point proposal_;        // chosen within the subtree being built
    double* sum_;           // of all momenta of the trajectory
    std::vector<Piece> stack_;
    double initial_energy_ = 0, proposal_energy_ = 0;
    double weight_ = 1, subtree_weight_ = 0, reference_ = 0, acceptance_ = 0;
};

}  // namespace probgen
