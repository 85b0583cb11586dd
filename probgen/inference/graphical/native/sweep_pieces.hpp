#pragma once
// The factors around one variable, merged into groups: which tables are multiplied together
// before sampling, so that an update reads few of them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>
#include "sweep_network.hpp"

namespace sweep {

// A coordinate of a table: one neighbour, or several binary ones of which only the number in
// state 1 matters.
struct Atom {
    int64_t states;
    std::vector<int32_t> rows;
};

// One factor (or several alike, lumped) as seen from a variable: log weight of its state k is
// data[k * own_stride + sum of stride * atom's state].
struct Piece {
    std::vector<int32_t> atoms;
    std::vector<int64_t> strides;
    const double* data = nullptr;
    int64_t own_stride = 1;
    std::vector<double> lumped;
    int64_t table = 0, role = 0, members = 1;
    int64_t size = 1;
};

struct Merged {
    std::vector<int32_t> atoms;
    std::vector<int32_t> pieces;
    int64_t size = 1;
};

// The neighbourhood of one variable at a time; scratch is kept between variables.
class Neighbourhood {
  public:
    Neighbourhood(const Network& network, bool lump)
        : network_(network), lump_(lump), numbers_(number_tables(network)),
          touching_(network.variables), atom_of_(network.variables, -1),
          seen_(network.variables, 0) {
        for (int64_t f = 0; f < network.factors; f++)
            for (int64_t j = network.scope_offsets[f]; j < network.scope_offsets[f + 1]; j++)
                touching_[network.scopes[j]].push_back(f);
    }

    std::vector<Atom> atoms;
    std::vector<Piece> pieces;

    void visit(int32_t variable) {
        atoms.clear();
        pieces.clear();
        variable_ = variable;
        std::vector<int64_t> rest = touching_[variable];
        if (lump_) rest = lump_alike(rest);
        for (int64_t f : rest) add(f);
        for (const Atom& atom : atoms) atom_of_[atom.rows[0]] = -1;
        std::stable_sort(pieces.begin(), pieces.end(),
                         [](const Piece& a, const Piece& b) { return a.size > b.size; });
    }

    // Greedy: each piece joins the first of the recent groups that stays within `cap` entries.
    std::vector<Merged> merge(int64_t cap) const {
        const size_t recent = 16;
        int64_t card = network_.cards[variable_];
        std::vector<Merged> groups;
        for (size_t p = 0; p < pieces.size(); p++) {
            size_t g = groups.size() > recent ? groups.size() - recent : 0;
            for (; g < groups.size(); g++) {
                int64_t size = united_size(groups[g], pieces[p]);
                if (size == groups[g].size || size * card <= cap) break;
            }
            if (g == groups.size()) groups.emplace_back();
            join(groups[g], (int32_t)p);
        }
        if (groups.empty()) groups.emplace_back();
        return groups;
    }

    // What a group's table depends on, so that equal tables are stored once.
    std::string signature(const Merged& group) const {
        std::vector<int64_t> parts = {network_.cards[variable_]};
        for (int32_t atom : group.atoms) parts.push_back(atoms[atom].states);
        for (int32_t p : group.pieces) {
            const Piece& piece = pieces[p];
            parts.insert(parts.end(), {-1, piece.table, piece.role, piece.members});
            for (int32_t atom : piece.atoms) parts.push_back(place(group, atom));
        }
        return std::string((const char*)parts.data(), parts.size() * sizeof(int64_t));
    }

    // Log weights [configuration][state] of a group, the first atom slowest; each configuration's
    // largest is 0 (all are -inf where no state is possible).
    std::vector<double> log_table(const Merged& group) const {
        int64_t card = network_.cards[variable_];
        std::vector<double> table(group.size * card, 0.0);
        for (int32_t p : group.pieces) add_piece(group, pieces[p], card, table);
        for (int64_t c = 0; c < group.size; c++) {
            double* row = &table[c * card];
            double top = *std::max_element(row, row + card);
            if (top > -INFINITY)
                for (int64_t k = 0; k < card; k++) row[k] -= top;
        }
        return table;
    }

  private:
    int64_t table_size(int64_t f) const {
        return network_.table_offsets[f + 1] - network_.table_offsets[f];
    }

    bool pairwise_binary(int64_t f) const {
        const int32_t* scope = network_.scopes + network_.scope_offsets[f];
        if (network_.scope_offsets[f + 1] - network_.scope_offsets[f] != 2) return false;
        return network_.cards[scope[0] == variable_ ? scope[1] : scope[0]] == 2;
    }

    int32_t other(int64_t f) const {
        const int32_t* scope = network_.scopes + network_.scope_offsets[f];
        return scope[0] == variable_ ? scope[1] : scope[0];
    }

    // Axis of this variable in a table of two; always 0 when that does not matter.
    int64_t role_in_pair(int64_t f) const {
        const double* t = network_.log_tables + network_.table_offsets[f];
        bool symmetric = network_.cards[variable_] == 2 && t[1] == t[2];
        return symmetric || network_.scopes[network_.scope_offsets[f]] == variable_ ? 0 : 1;
    }

    std::vector<int64_t> lump_alike(const std::vector<int64_t>& factors) {
        for (int64_t f : factors)
            for (int64_t j = network_.scope_offsets[f]; j < network_.scope_offsets[f + 1]; j++)
                seen_[network_.scopes[j]]++;
        std::vector<int64_t> rest;
        std::unordered_map<int64_t, std::vector<int64_t>> classes;
        std::vector<int64_t> first_seen;
        for (int64_t f : factors) {
            if (!pairwise_binary(f) || seen_[other(f)] != 1) {
                rest.push_back(f);
                continue;
            }
            int64_t key = numbers_[f] * 2 + role_in_pair(f);
            if (classes[key].empty()) first_seen.push_back(key);
            classes[key].push_back(f);
        }
        for (int64_t f : factors)
            for (int64_t j = network_.scope_offsets[f]; j < network_.scope_offsets[f + 1]; j++)
                seen_[network_.scopes[j]] = 0;
        for (int64_t key : first_seen) {
            if (classes[key].size() > 1) lump(classes[key]);
            else rest.push_back(classes[key][0]);
        }
        return rest;
    }

    void lump(const std::vector<int64_t>& factors) {
        int64_t card = network_.cards[variable_], members = (int64_t)factors.size();
        int64_t f = factors[0], axis = network_.scopes[network_.scope_offsets[f]] == variable_ ? 0 : 1;
        const double* t = network_.log_tables + network_.table_offsets[f];
        Atom atom{members + 1, {}};
        for (int64_t g : factors) atom.rows.push_back(other(g));
        Piece piece;
        piece.atoms = {(int32_t)atoms.size()};
        piece.strides = {card};
        piece.table = numbers_[f];
        piece.role = role_in_pair(f);
        piece.members = members;
        piece.size = members + 1;
        for (int64_t ones = 0; ones <= members; ones++)
            for (int64_t k = 0; k < card; k++) {
                double zero = axis == 0 ? t[k * 2] : t[k];
                double one = axis == 0 ? t[k * 2 + 1] : t[card + k];
                piece.lumped.push_back((ones ? ones * one : 0.0) +
                                       (ones < members ? (members - ones) * zero : 0.0));
            }
        atoms.push_back(std::move(atom));
        pieces.push_back(std::move(piece));
    }

    void add(int64_t f) {
        Piece piece;
        int64_t stride = 1, begin = network_.scope_offsets[f];
        piece.data = network_.log_tables + network_.table_offsets[f];
        piece.table = numbers_[f];
        for (int64_t j = network_.scope_offsets[f + 1] - 1; j >= begin; j--) {
            int32_t row = network_.scopes[j];
            if (row == variable_) {
                piece.own_stride = stride;
                piece.role = j - begin;
            } else {
                if (atom_of_[row] < 0) {
                    atom_of_[row] = (int32_t)atoms.size();
                    atoms.push_back({network_.cards[row], {row}});
                }
                piece.atoms.push_back(atom_of_[row]);
                piece.strides.push_back(stride);
                piece.size *= network_.cards[row];
            }
            stride *= network_.cards[row];
        }
        pieces.push_back(std::move(piece));
    }

    static int64_t place(const Merged& group, int32_t atom) {
        auto found = std::find(group.atoms.begin(), group.atoms.end(), atom);
        return found == group.atoms.end() ? -1 : found - group.atoms.begin();
    }

    int64_t united_size(const Merged& group, const Piece& piece) const {
        const int64_t enough = (int64_t)1 << 40;
        int64_t size = group.size;
        for (int32_t atom : piece.atoms)
            if (place(group, atom) < 0) size = std::min(size * atoms[atom].states, enough);
        return size;
    }

    void join(Merged& group, int32_t p) const {
        group.size = united_size(group, pieces[p]);
        for (int32_t atom : pieces[p].atoms)
            if (place(group, atom) < 0) group.atoms.push_back(atom);
        group.pieces.push_back(p);
    }

    void add_piece(const Merged& group, const Piece& piece, int64_t card,
                   std::vector<double>& table) const {
        const double* data = piece.lumped.empty() ? piece.data : piece.lumped.data();
        size_t count = group.atoms.size();
        std::vector<int64_t> steps(count, 0), digits(count, 0);
        for (size_t j = 0; j < piece.atoms.size(); j++)
            steps[place(group, piece.atoms[j])] = piece.strides[j];
        int64_t at = 0;
        for (int64_t c = 0; c < group.size; c++) {
            for (int64_t k = 0; k < card; k++) table[c * card + k] += data[at + k * piece.own_stride];
            for (size_t j = count; j-- > 0;) {
                at += steps[j];
                if (++digits[j] < atoms[group.atoms[j]].states) break;
                at -= digits[j] * steps[j];
                digits[j] = 0;
            }
        }
    }

    const Network& network_;
    bool lump_;
    int32_t variable_ = 0;
    std::vector<int64_t> numbers_;
    std::vector<std::vector<int64_t>> touching_;
    std::vector<int32_t> atom_of_;
    std::vector<int32_t> seen_;
};

}  // namespace sweep
