# Fits the golden models with random slopes, and some with intercepts alone on the same unbalanced data, and writes
# random_slopes.json beside this file.
#   Rscript make_random_slopes.R                    all cases
#   Rscript make_random_slopes.R sleep_correlated - one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-glmmtmb and r-cran-jsonlite. Data: the simulated designs of
# write_random_slope_designs.py, and the files of lme4 that make_mixed_models.R --data writes.
suppressPackageStartupMessages({library(glmmTMB); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)
frame_of <- function(name) {
  frame <- read.csv(here(if (name == "cbpp") "cbpp.csv" else paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  for (column in intersect(c("Subject", "herd", "id", "item"), names(frame))) frame[[column]] <- factor(frame[[column]])
  frame
}

# lmer stops early; restarts from its own end with a tight tolerance find the optimum.
linear <- function(formula, data, restricted) {
  control <- lme4::lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 0, maxeval = 50000))
  model <- lme4::lmer(formula, data, REML = restricted, control = control)
  for (k in 1:3) model <- update(model, start = list(theta = lme4::getME(model, "theta")))
  model
}
# The same for glmmTMB: restarts, each from a Newton step beyond the last end, whose gradient must become smaller.
tight <- function(formula, data, ...) {
  control <- glmmTMBControl(rank_check = "adjust", optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-13, x.tol = 1e-12))
  best <- glmmTMB(formula, data, control = control, ...)
  slope <- function(model) max(abs(model$obj$gr(model$fit$par)))
  columns <- colnames(model.matrix(lme4::nobars(formula)[-2], data))
  for (k in 1:4) {
    found <- best$fit$par
    step <- best$sdr$cov.fixed %*% as.numeric(best$obj$gr(found))
    if (all(is.finite(step)) && max(abs(step)) < 0.1) found <- found - as.numeric(step)
    start <- split(unname(found), names(best$fit$par))
    start$beta <- replace(numeric(length(columns)), match(names(fixef(best)$cond), columns), start$beta)
    again <- tryCatch(glmmTMB(formula, data, control = control, start = start, ...), error = function(e) NULL)
    if (is.null(again) || !is.finite(logLik(again))) break
    rise <- as.numeric(logLik(again)) - as.numeric(logLik(best))
    if (rise > 1e-7 || (rise > -1e-8 && slope(again) < slope(best))) best <- again
  }
  best
}

# lme4 and glmmTMB call a second term of one grouping item.1; the plain name is kept here.
plain <- function(names) sub("\\.[0-9]+$", "", names)
components <- function(variances) {
  sds <- lapply(variances, function(v) attr(v, "stddev"))
  list(group = I(rep(plain(names(sds)), lengths(sds))), effect = I(unlist(lapply(sds, names))), sd = I(unname(unlist(sds))))
}
correlations <- function(variances, apart = character()) {
  rows <- do.call(rbind, lapply(setdiff(seq_along(variances), match(apart, names(variances))), function(k) {
    r <- attr(variances[[k]], "correlation")
    if (is.null(r) || nrow(r) < 2) return(NULL)
    at <- which(lower.tri(r), arr.ind = TRUE)
    at <- at[order(at[, "row"], at[, "col"]), , drop = FALSE]
    data.frame(group = plain(names(variances)[k]), effect = colnames(r)[at[, "col"]], other = rownames(r)[at[, "row"]],
               correlation = r[at])
  }))
  if (is.null(rows)) NULL else lapply(rows, I)
}
# Standard errors of deviations and correlations by the delta method: for each term theta holds the log deviations and
# then, row by row, the lower triangle of a unit L whose L L' is proportional to the covariance.
spread_errors <- function(model) {
  theta <- model$sdr$par.fixed; covariance <- model$sdr$cov.fixed
  at <- which(names(theta) == "theta"); covariance <- covariance[at, at]
  sd <- correlation <- numeric(); first <- 1
  of <- function(values, width) {
    l <- diag(width); l[upper.tri(l)] <- values
    r <- cov2cor(crossprod(l)); r[upper.tri(r)]
  }
  for (variance in VarCorr(model)$cond) {
    width <- length(attr(variance, "stddev"))
    own <- first + seq_len(width) - 1
    stopifnot(abs(exp(theta[at][own]) / attr(variance, "stddev") - 1) < 1e-6)
    sd <- c(sd, attr(variance, "stddev") * sqrt(diag(covariance)[own]))
    first <- first + width
    if (width == 1 || first > length(at) || names(attr(variance, "blockCode")) != "us") next
    bonds <- first + seq_len(width * (width - 1) / 2) - 1
    values <- theta[at][bonds]
    stopifnot(abs(of(values, width) - attr(variance, "correlation")[upper.tri(diag(width))]) < 1e-6)
    jacobian <- sapply(seq_along(values), function(k) {
      step <- replace(numeric(length(values)), k, 1e-5)
      (of(values + step, width) - of(values - step, width)) / 2e-5
    })
    jacobian <- matrix(jacobian, length(values))
    correlation <- c(correlation, sqrt(diag(jacobian %*% covariance[bonds, bonds] %*% t(jacobian))))
    first <- first + length(bonds)
  }
  stopifnot(first == length(at) + 1)
  list(sd = unname(sd), correlation = unname(correlation))
}
coefficients_of <- function(table) {
  list(name = I(rownames(table)), estimate = I(unname(table[, 1])), standard_error = I(unname(table[, 2])))
}

# The first few levels of each grouping are enough to compare with.
shortened <- function(modes, kept = 8) {
  place <- ave(seq_len(nrow(modes)), modes$group, modes$effect, FUN = seq_along)
  modes <- modes[place <= kept, ]
  modes[4:6] <- lapply(modes[4:6], signif, 10)
  lapply(modes, I)
}
# Standard errors of b-hat minus b, by Henderson's mixed model equations: the fixed effects' uncertainty is in them.
linear_modes <- function(model) {
  frame <- as.data.frame(lme4::ranef(model, condVar = TRUE))
  x <- lme4::getME(model, "X"); z <- lme4::getME(model, "Z"); scale <- lme4::getME(model, "Lambda")
  zl <- as.matrix(z %*% scale)
  both <- cbind(x, zl)
  inverse <- solve(crossprod(both) + diag(c(rep(0, ncol(x)), rep(1, ncol(zl)))))
  at <- ncol(x) + seq_len(ncol(zl))
  variance <- sigma(model)^2 * as.matrix(scale) %*% inverse[at, at] %*% t(as.matrix(scale))
  # Columns of Z are sorted by term, then level, then effect; as.data.frame(ranef()) by grouping, then effect, then level.
  names <- lme4::getME(model, "cnms"); levels <- lapply(lme4::getME(model, "flist")[names(names)], levels)
  key <- unlist(lapply(seq_along(names), function(k)
    paste(plain(names(names)[k]), rep(names[[k]], length(levels[[k]])), rep(levels[[k]], each = length(names[[k]])))))
  frame$group <- plain(as.character(frame$grpvar))
  order <- match(paste(frame$group, frame$term, frame$grp), key)
  stopifnot(!anyNA(order), !anyDuplicated(order),
            abs(frame$condval - as.numeric(lme4::getME(model, "b"))[order]) < 1e-8)
  shortened(data.frame(group = frame$group, effect = as.character(frame$term), level = as.character(frame$grp),
    mode = frame$condval, conditional_sd = frame$condsd, standard_error = sqrt(diag(variance))[order]))
}
# The same for a binomial model; TMB's joint precision has the derivative of the modes by the fixed effects in it, which
# themselves are as uncertain as vcov() says.
binomial_modes <- function(model) {
  found <- model$obj$env$last.par.best
  hessian <- as.matrix(TMB::sdreport(model$obj, model$fit$par, getJointPrecision = TRUE)$jointPrecision)
  stopifnot(identical(rownames(hessian), names(found)))
  b <- which(names(found) == "b"); beta <- which(names(found) == "beta")
  given <- solve(hessian[b, b])
  drag <- -given %*% hessian[b, beta, drop = FALSE]
  total <- given + drag %*% vcov(model)$cond %*% t(drag)
  terms <- model$modelInfo$reTrms$cond
  group <- names(terms$cnms); names <- terms$cnms
  levels <- lapply(terms$flist[attr(terms$flist, "assign")], levels)
  columns <- do.call(rbind, lapply(seq_along(names), function(k)
    expand.grid(effect = names[[k]], level = levels[[k]], group = plain(group[k]), stringsAsFactors = FALSE)))
  stopifnot(nrow(columns) == length(b))
  shortened(data.frame(columns[c("group", "effect", "level")], mode = unname(found[b]),
    conditional_sd = sqrt(diag(given)), standard_error = sqrt(diag(total))))
}

# diag(1 + x | item) of glmmTMB is (1 + x || item) in this package, for factors too.
package_formula <- function(text) gsub("diag\\(([^|]*) \\| ([^)]*)\\)", "(\\1 || \\2)", text)
linear_case <- function(text, data, restricted = TRUE) {
  model <- linear(as.formula(text), frame_of(data), restricted)
  variances <- lme4::VarCorr(model)
  spread <- components(variances); bonds <- correlations(variances)
  singular <- lme4::isSingular(model, tol = 1e-4)
  if (!restricted && !singular) {
    errors <- spread_errors(tight(as.formula(text), frame_of(data)))
    spread$sd_standard_error <- I(errors$sd); if (length(bonds)) bonds$standard_error <- I(errors$correlation)
  }
  out <- list(formula = package_formula(text), data = data, family = "gaussian", method = if (restricted) "REML" else "ML",
              rows = nobs(model), loglik = as.numeric(logLik(model)), df = attr(logLik(model), "df"), singular = singular,
              coefficients = coefficients_of(summary(model)$coefficients), components = spread, residual = sigma(model))
  c(out, if (length(bonds)) list(correlations = bonds), if (!singular) list(modes = linear_modes(model)))
}
binomial_case <- function(text, data) {
  model <- tight(as.formula(text), frame_of(data), family = binomial)
  variances <- VarCorr(model)$cond
  apart <- names(variances)[sapply(variances, function(v) names(attr(v, "blockCode")) == "diag")]
  spread <- components(variances); bonds <- correlations(variances, apart)
  singular <- any(spread$sd < 1e-2) || any(abs(as.numeric(bonds$correlation)) > 0.999)
  if (!singular) {
    errors <- spread_errors(model)
    spread$sd_standard_error <- I(errors$sd); if (length(bonds)) bonds$standard_error <- I(errors$correlation)
  }
  out <- list(formula = package_formula(text), data = data, family = "binomial", method = "Laplace", rows = nobs(model),
              loglik = as.numeric(logLik(model)), df = attr(logLik(model), "df"), singular = singular,
              gradient = max(abs(model$obj$gr(model$fit$par))),
              coefficients = coefficients_of(summary(model)$coefficients$cond), components = spread)
  c(out, if (length(bonds)) list(correlations = bonds), if (!singular) list(modes = binomial_modes(model)))
}

sleep <- "Reaction ~ Days + "
crossed <- "margin ~ system + score + length + (1 + score | item) + (1 + length | persona)"
five <- "yes ~ group * system + length + x + (1 + x | item) + (1 | item:system) + (1 + length | persona) + (1 | persona:system) + (1 | persona:template)"
intercepts <- "(1 | item) + (1 | item:system) + (1 | persona) + (1 | persona:system) + (1 | persona:template)"
cases <- list(
  sleep_correlated = function() linear_case(paste0(sleep, "(Days | Subject)"), "sleepstudy"),
  sleep_correlated_ml = function() linear_case(paste0(sleep, "(Days | Subject)"), "sleepstudy", FALSE),
  sleep_apart = function() linear_case(paste0(sleep, "(Days || Subject)"), "sleepstudy"),
  sleep_apart_ml = function() linear_case(paste0(sleep, "(Days || Subject)"), "sleepstudy", FALSE),
  sleep_slope_only = function() linear_case(paste0(sleep, "(0 + Days | Subject)"), "sleepstudy"),
  crossed = function() linear_case(crossed, "slopes"),
  crossed_ml = function() linear_case(crossed, "slopes", FALSE),
  system_means = function() linear_case("margin ~ system + (0 + system | item) + (1 | persona)", "slopes"),
  system_effects = function() linear_case("margin ~ system + (1 + system | item) + (1 | persona)", "slopes"),
  system_effects_ml = function() linear_case("margin ~ system + (1 + system | item) + (1 | persona)", "slopes", FALSE),
  three_slopes = function() linear_case("margin ~ x + score + (1 + x + score | item) + (1 | persona:template) + (1 | item:system)", "slopes"),
  nested_slopes = function() linear_case("margin ~ system + x + (x | item/system) + (1 | persona)", "slopes"),
  margin_five = function() linear_case(paste("margin ~ group * system + length + x +", intercepts), "slopes"),
  margin_cells = function() linear_case("margin ~ persona * system + x + (1 | item) + (1 | item:system) + (1 | item:persona) + (1 | persona:template)", "slopes"),
  flat = function() linear_case("y ~ x + (1 + x | item)", "flat_slopes"),
  flat_apart = function() linear_case("y ~ x + (1 + x || item)", "flat_slopes"),
  tied = function() linear_case("tied ~ x + (1 + x | item)", "flat_slopes"),

  item_score = function() binomial_case("yes ~ system + score + (1 + score | item) + (1 | persona)", "slopes"),
  item_score_apart = function() binomial_case("yes ~ system + score + diag(1 + score | item) + (1 | persona)", "slopes"),
  item_system = function() binomial_case("yes ~ system + score + (system | item) + (1 | persona:template)", "slopes"),
  item_system_apart = function() binomial_case("yes ~ system + score + diag(1 + system | item) + (1 | persona:template)", "slopes"),
  persona_length = function() binomial_case("yes ~ system + length + (1 | item) + (0 + length | persona) + (1 | persona:template)", "slopes"),
  persona_x = function() binomial_case("yes ~ system + x + (1 | item) + (1 + x | persona)", "slopes"),
  both_ways = function() binomial_case("yes ~ system + score + length + (1 + score | item) + (1 + length | persona)", "slopes"),
  persona_two_slopes = function() binomial_case("yes ~ system + x + length + (1 + x | item) + (1 + x + length | persona)", "slopes"),
  slopes_in_slopes = function() binomial_case("yes ~ system + x + (1 + x | item) + (1 + score | item:system)", "slopes"),
  five_terms = function() binomial_case(five, "slopes"),
  answers_two = function() binomial_case("yes ~ system + x + (1 | item) + (1 | persona)", "slopes"),
  answers_three = function() binomial_case("yes ~ persona * system + x + (1 | item) + (1 | item:system) + (1 | item:persona)", "slopes"),
  answers_five = function() binomial_case(paste("yes ~ group * system + length + x +", intercepts), "slopes"),
  rare_slopes = function() binomial_case("yes ~ persona * system + x + (1 + x | item) + (1 | persona:template)", "rare_slopes"),
  counts = function() binomial_case("cbind(won, lost) ~ dose + (1 + dose | site) + (1 + dose | rater)", "count_slopes"),
  cbpp_slope = function() binomial_case("cbind(incidence, size - incidence) ~ period + (1 + period | herd)", "cbpp"),
  verbagg_btype = function() binomial_case("r2 ~ Anger + Gender + btype + situ + (1 + btype | id) + (1 | item)", "verbagg"),
  tied_binomial = function() binomial_case("yes ~ system + x + (0 + template | item) + (1 | persona)", "slopes"),
  flat_binomial = function() binomial_case("yes ~ x + (1 + x | item)", "flat_slopes"))

only <- intersect(arguments, names(cases))
timed <- function(name) {
  started <- proc.time()[["elapsed"]]
  result <- cases[[name]]()
  message(sprintf("%-20s %6.1f s  loglik %.6f%s", name, proc.time()[["elapsed"]] - started, result$loglik,
                  if (result$singular) "  singular" else ""))
  result
}
chosen <- if (length(only)) only else names(cases)
results <- setNames(lapply(chosen, timed), chosen)
results$versions <- list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")),
                         lme4 = as.character(packageVersion("lme4")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("random_slopes.json"))
