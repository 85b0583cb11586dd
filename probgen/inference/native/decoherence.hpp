// How many draws of a chain's recent past make an independent one.
#pragma once
#include "history.hpp"

namespace probgen {

// Integrated autocorrelation time, in draws, of the `count` youngest positions: the mean over
// coordinates of 1 + 2 sum of autocorrelations, cut off by Geyer's (1992) initial positive
// sequence. Not less than one.
class AutocorrelationTime {
  public:
    explicit AutocorrelationTime(size_t count) : series_(count) {}

    double operator()(const History& history, size_t dim) {
        double sum = 0;
        for (size_t i = 0; i < dim; ++i) {
            for (size_t age = 0; age < series_.size(); ++age)
                series_[age] = history.position(age)[i];
            sum += of_series();
        }
        return sum / double(dim);
    }

  private:
    double of_series() {
        double mean = 0;
        for (double x : series_) mean += x / double(series_.size());
        for (double& x : series_) x -= mean;
        const double variance = covariance(0);
        if (!(variance > 0)) return 1;
        double time = -1;
        for (size_t lag = 0; lag + 1 < series_.size(); lag += 2) {
            const double pair = (covariance(lag) + covariance(lag + 1)) / variance;
            if (!(pair > 0)) break;
            time += 2 * pair;
        }
        return std::max(time, 1.0);
    }

    double covariance(size_t lag) const {
        double sum = 0;
        for (size_t t = lag; t < series_.size(); ++t) sum += series_[t] * series_[t - lag];
        return sum;
    }

    std::vector<double> series_;
};

}  // namespace probgen
