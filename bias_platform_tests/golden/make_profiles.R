# Profile-likelihood intervals by lme4, glmmTMB and ordinal, and parametric-bootstrap likelihood-ratio tests by pbkrtest and lme4; writes
# profiles.json beside this file.
#   Rscript make_profiles.R                  all cases (some ten minutes)
#   Rscript make_profiles.R sleep_intercept - one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-glmmtmb, r-cran-ordinal, r-cran-pbkrtest and r-cran-jsonlite. Data: files that make_mixed_models.R --data and
# write_random_slope_designs.py write.
suppressPackageStartupMessages({library(lme4); library(ordinal); library(pbkrtest); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)
frame_of <- function(name) {
  frame <- read.csv(here(if (name == "cbpp") "cbpp.csv" else paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  for (column in intersect(c("Subject", "herd", "period", "id", "item"), names(frame))) frame[[column]] <- factor(frame[[column]])
  frame
}

linear <- function(formula, data) {
  control <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 0, maxeval = 50000))
  model <- lmer(formula, data, REML = FALSE, control = control)
  for (k in 1:2) model <- update(model, start = list(theta = getME(model, "theta")))
  model
}
logistic <- function(formula, data) glmer(formula, data, family = binomial,
  control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e5, rhoend = 1e-9)))

# profile() of lme4 interpolates zeta by splines: a finer grid than its default leaves less of an error.
intervals <- function(model, fine = 1 / 16) {
  bounds <- confint(profile(model, delta.cutoff = fine, maxpts = 1000, signames = FALSE, devtol = 1e-5))
  list(parameter = I(rownames(bounds)), lower = I(unname(bounds[, 1])), upper = I(unname(bounds[, 2])))
}
linear_case <- function(text, data) {
  model <- linear(as.formula(text), frame_of(data))
  list(formula = text, data = data, family = "gaussian", loglik = as.numeric(logLik(model)),
       standard_errors = I(unname(sqrt(diag(as.matrix(vcov(model)))))), intervals = intervals(model))
}
# profile() of glmer finds its maxima to 1e-3 of a standard error only; glmmTMB's likelihood is searched for the bounds
# themselves. Its theta holds the logarithms of the deviations and t with correlation t / sqrt(1 + t^2).
binomial_case <- function(text, data, rows = NULL, by_lme4 = FALSE) {
  frame <- frame_of(data)
  if (!is.null(rows)) frame <- droplevels(frame[rows(frame), ])
  model <- glmmTMB::glmmTMB(as.formula(text), frame, family = binomial)
  places <- names(model$fit$par)
  bounds <- sapply(seq_along(places), function(k)
    TMB::tmbroot(model$obj, k, target = qchisq(0.95, 1) / 2, sd.range = 5, trace = FALSE, continuation = TRUE))
  random <- which(places == "theta")
  effects <- unlist(lapply(glmmTMB::VarCorr(model)$cond, function(v) names(attr(v, "stddev"))))
  deviations <- random[seq_along(effects)]
  bounds[, deviations] <- exp(bounds[, deviations])
  correlation <- setdiff(random, deviations)
  bounds[, correlation] <- bounds[, correlation] / sqrt(1 + bounds[, correlation]^2)
  names <- c(colnames(model.matrix(lme4::nobars(as.formula(text))[-2], frame)), paste("sd", rep(names(glmmTMB::VarCorr(model)$cond),
    lengths(lapply(glmmTMB::VarCorr(model)$cond, function(v) attr(v, "stddev")))), effects), rep("correlation", length(correlation)))
  out <- list(formula = text, data = data, family = "binomial", loglik = as.numeric(logLik(model)),
              standard_errors = I(unname(sqrt(diag(vcov(model)$cond)))),
              intervals = list(parameter = I(names), lower = I(unname(bounds[1, ])), upper = I(unname(bounds[2, ]))))
  c(out, if (by_lme4) list(lme4 = intervals(logistic(as.formula(text), frame), 1 / 8)))
}
# clmm2 of ordinal profiles the deviation of its one random intercept, by Laplace's approximation.
wine_case <- function() {
  frame <- transform(wine, rating = as.integer(as.character(rating)))
  model <- clmm2(rating ~ temp + contact, random = judge, data = wine, Hess = TRUE, nAGQ = 1,
    control = clmm2.control(gradTol = 1e-8, innerCtrl = "noWarn"))
  capture.output(bounds <- suppressWarnings(confint(profile(model, range = c(0.2, 4), nSteps = 120))))
  list(formula = "rating ~ temp + contact + (1 | judge)", data = "wine", family = "ordinal", loglik = as.numeric(logLik(model)), sd = model$stDev[[1]],
       intervals = list(parameter = I("stDev"), lower = I(bounds[[1]]), upper = I(bounds[[2]])))
}

# p of a parametric bootstrap, and where 5 %, 10 % ... 95 % of the likelihood ratios of null studies lie.
deciles <- function(statistics) I(unname(quantile(statistics, seq(0.05, 0.95, 0.05))))
fixed_test <- function(larger, smaller, replicates, seed) {
  drawn <- PBrefdist(larger, smaller, nsim = replicates, seed = seed)
  found <- PBmodcomp(larger, smaller, ref = drawn)
  list(statistic = unname(found$LRTstat["tobs"]), df = unname(found$LRTstat["df"]), p = found$test["PBtest", "p.value"],
       replicates = unname(found$samples["npos"]), quantiles = deciles(as.numeric(drawn)))
}
# pbkrtest has no tests of variances: simulate() and refit() of lme4 do the same.
variance_test <- function(larger, smaller, replicates, seed) {
  observed <- 2 * as.numeric(logLik(larger) - logLik(smaller))
  drawn <- simulate(smaller, replicates, seed = seed)
  statistic <- function(y) 2 * as.numeric(logLik(refit(larger, y)) - logLik(refit(smaller, y)))
  found <- sapply(seq_len(replicates), function(k) statistic(drawn[[k]]))
  list(statistic = observed, p = (1 + sum(found >= observed)) / (1 + replicates), replicates = replicates,
       quantiles = deciles(pmax(found, 0)))
}

few <- function() droplevels(subset(frame_of("sleepstudy"), as.integer(Subject) <= 9))
cases <- list(
  sleep_intercept = function() linear_case("Reaction ~ Days + (1 | Subject)", "sleepstudy"),
  sleep_correlated = function() linear_case("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
  sleep_apart = function() linear_case("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
  penicillin = function() linear_case("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin"),
  pastes = function() linear_case("strength ~ 1 + (1 | batch/cask)", "pastes"),
  cbpp = function() binomial_case("cbind(incidence, size - incidence) ~ period + (1 | herd)", "cbpp", by_lme4 = TRUE),
  verbagg = function() binomial_case("r2 ~ Anger + btype + (1 | id) + (1 | item)", "verbagg",
    function(frame) as.integer(as.character(frame$id)) <= 60),
  wine = function() wine_case(),
  counts = function() binomial_case("cbind(won, lost) ~ dose + (1 + dose | site)", "count_slopes"),
  # The data are in the calls: PBmodcomp fits the models again, elsewhere.
  bootstrap_cbpp = function() {
    last <- transform(frame_of("cbpp"), late = as.integer(period == 4))
    plain <- function(formula) do.call(glmer, list(formula, last, family = binomial))
    fixed_test(plain(cbind(incidence, size - incidence) ~ late + (1 | herd)), plain(cbind(incidence, size - incidence) ~ 1 + (1 | herd)), 500, 1)
  },
  bootstrap_sleep = function() {
    early <- subset(few(), Days <= 3)
    plain <- function(formula) do.call(lmer, list(formula, early, REML = FALSE))
    fixed_test(plain(Reaction ~ Days + (1 | Subject)), plain(Reaction ~ 1 + (1 | Subject)), 1000, 2)
  },
  bootstrap_batch = function() {
    pastes <- frame_of("pastes")
    variance_test(linear(strength ~ 1 + (1 | batch) + (1 | batch:cask), pastes), linear(strength ~ 1 + (1 | batch:cask), pastes), 1000, 3)
  })

only <- intersect(arguments, names(cases))
timed <- function(name) {
  started <- proc.time()[["elapsed"]]
  result <- cases[[name]]()
  message(sprintf("%-20s %6.1f s", name, proc.time()[["elapsed"]] - started))
  result
}
chosen <- if (length(only)) only else names(cases)
results <- setNames(lapply(chosen, timed), chosen)
results$versions <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
                         glmmTMB = as.character(packageVersion("glmmTMB")), ordinal = as.character(packageVersion("ordinal")),
                         pbkrtest = as.character(packageVersion("pbkrtest")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, na = "null", pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("profiles.json"))
