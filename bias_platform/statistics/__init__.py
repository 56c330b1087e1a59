"""Arrays and frames in, numbers out: mixed models, contrasts, tests, spread, agreement, multiplicity, simulation.

Not here: anything that knows personas, posts or studies (analysis), files and tables (storage, schemas), plots
(reports). Nothing here imports dagster, torch or another room, so that it can be used as a library by itself.
"""

from bias_platform.statistics.benchmark_scales import (
    ALTMAN,
    FLEISS,
    LANDIS_KOCH,
    BenchmarkScale,
    benchmark_band,
    membership_probabilities,
)
from bias_platform.statistics.bootstrap_intervals import BootstrapResult
from bias_platform.statistics.bootstrap_test import BootstrapTest, bootstrap_likelihood_ratio_test
from bias_platform.statistics.class_scores import MacroF1, macro_f1
from bias_platform.statistics.contrast_tables import contrast_degrees_of_freedom, contrast_table, fixed_contrasts
from bias_platform.statistics.contrasts import (
    all_pairs,
    difference_of_differences,
    interaction_contrasts,
    versus_reference,
)
from bias_platform.statistics.degrees_of_freedom import small_sample_tests
from bias_platform.statistics.denominator_df import Carrier, carried_df
from bias_platform.statistics.diagnostics import Diagnostics
from bias_platform.statistics.differing_pairs import DifferingShare, differing_share
from bias_platform.statistics.equivalence_tests import equivalence, two_one_sided_tests
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import Estimates, EstimateSet, contrast
from bias_platform.statistics.gini import gini_mean_difference
from bias_platform.statistics.krippendorff import Alpha, krippendorff_alpha
from bias_platform.statistics.logistic_normal_moments import logistic_normal
from bias_platform.statistics.marginal_effects import AverageEffects, average_effects
from bias_platform.statistics.marginal_means import marginal_means
from bias_platform.statistics.marginal_models import MarginalModelFit, fit_gee, fit_glm
from bias_platform.statistics.marginal_probabilities import average_probabilities
from bias_platform.statistics.missing_terms import missing_random_effects
from bias_platform.statistics.mixed_model import fit_mixed_model
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.mode_intervals import conditional_mode_table
from bias_platform.statistics.multiplicity import adjust_p_values
from bias_platform.statistics.ordinal_probabilities import category_probabilities
from bias_platform.statistics.pair_disagreement import pairwise_disagreement
from bias_platform.statistics.paired_alpha import PairedAlphaTest, paired_alpha_test
from bias_platform.statistics.paired_alpha_grid import PairedAlphaTests, paired_alpha_tests
from bias_platform.statistics.pairwise_alpha import PairwiseAlphas, pairwise_alphas
from bias_platform.statistics.parametric_bootstrap import bootstrap, simulated_design
from bias_platform.statistics.power import SmallestGap, TermPower, power_of_term, smallest_detectable
from bias_platform.statistics.power_curve import PowerCurve
from bias_platform.statistics.profile_likelihood import profile_intervals
from bias_platform.statistics.proportional_odds import effects_by_threshold, proportional_odds_test
from bias_platform.statistics.proportions import (
    Proportion,
    Recall,
    few_disagreements,
    proportion_interval,
    recall_on_subset,
)
from bias_platform.statistics.rating_codes import RatingCodes, encode_ratings
from bias_platform.statistics.separate_logits import SeparateLogits, fit_separate_logits
from bias_platform.statistics.signed_ranks import SignedRankTests, signed_rank_tests
from bias_platform.statistics.simulate import simulate_responses
from bias_platform.statistics.simultaneous import LargestStatistic, largest_statistic
from bias_platform.statistics.spread import Interval, Spread, within_group_spread
from bias_platform.statistics.spread_of_fit import FittedSpread, fitted_spread
from bias_platform.statistics.study_design import Attribute, StudyDesign
from bias_platform.statistics.study_simulation import simulate_answers, simulate_study
from bias_platform.statistics.term_tests import likelihood_ratio_test, term_tests, wald_test

__all__ = [
    "ALTMAN",
    "FLEISS",
    "LANDIS_KOCH",
    "Alpha",
    "Attribute",
    "AverageEffects",
    "BenchmarkScale",
    "BootstrapResult",
    "BootstrapTest",
    "Carrier",
    "Diagnostics",
    "DifferingShare",
    "EstimateSet",
    "Estimates",
    "FittedSpread",
    "Interval",
    "LargestStatistic",
    "MacroF1",
    "MarginalModelFit",
    "MixedModelFit",
    "ModelError",
    "PairedAlphaTest",
    "PairedAlphaTests",
    "PairwiseAlphas",
    "PowerCurve",
    "Proportion",
    "RatingCodes",
    "Recall",
    "SeparateLogits",
    "SignedRankTests",
    "SmallestGap",
    "Spread",
    "StudyDesign",
    "TermPower",
    "adjust_p_values",
    "all_pairs",
    "average_effects",
    "average_probabilities",
    "benchmark_band",
    "bootstrap",
    "bootstrap_likelihood_ratio_test",
    "carried_df",
    "category_probabilities",
    "conditional_mode_table",
    "contrast",
    "contrast_degrees_of_freedom",
    "contrast_table",
    "difference_of_differences",
    "differing_share",
    "effects_by_threshold",
    "encode_ratings",
    "equivalence",
    "few_disagreements",
    "fit_gee",
    "fit_glm",
    "fit_mixed_model",
    "fit_separate_logits",
    "fitted_spread",
    "fixed_contrasts",
    "gini_mean_difference",
    "interaction_contrasts",
    "krippendorff_alpha",
    "largest_statistic",
    "likelihood_ratio_test",
    "logistic_normal",
    "macro_f1",
    "marginal_means",
    "membership_probabilities",
    "missing_random_effects",
    "paired_alpha_test",
    "paired_alpha_tests",
    "pairwise_alphas",
    "pairwise_disagreement",
    "power_of_term",
    "profile_intervals",
    "proportion_interval",
    "proportional_odds_test",
    "recall_on_subset",
    "signed_rank_tests",
    "simulate_answers",
    "simulate_responses",
    "simulate_study",
    "simulated_design",
    "small_sample_tests",
    "smallest_detectable",
    "term_tests",
    "two_one_sided_tests",
    "versus_reference",
    "wald_test",
    "within_group_spread",
]
