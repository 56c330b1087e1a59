# Average marginal effects on the probability scale of glmmTMB fits, and parametric bootstraps by lme4::bootMer; writes
# effects.json beside this file.
#   Rscript make_effects.R           all cases (some minutes, nearly all of them in bootMer)
#   Rscript make_effects.R cbpp -    one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-glmmtmb and r-cran-jsonlite. Data: that of make_mixed_models.R --data, and the
# simulated designs of write_random_slope_designs.py.
# Effects are means over the rows (weighted by their answers) of differences of counterfactual probabilities, with each
# integral over the random effects by stats::integrate; standard errors by the delta method with a numerical Jacobian in
# the fixed effects and glmmTMB's own parameters of the random ones, from their joint covariance ("se") or from that of
# the fixed effects alone ("se_fixed").
suppressPackageStartupMessages({library(glmmTMB); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)
frame_of <- function(name, factors) {
  frame <- read.csv(here(if (name == "cbpp") "cbpp.csv" else paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  for (column in factors) frame[[column]] <- factor(frame[[column]])
  frame
}
# Restarted, each time from a Newton step beyond the last end.
tight <- function(formula, data) {
  control <- glmmTMBControl(optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-14, x.tol = 1e-13))
  best <- glmmTMB(formula, data, family = binomial, control = control)
  for (k in 1:3) {
    found <- best$fit$par - as.numeric(best$sdr$cov.fixed %*% as.numeric(best$obj$gr(best$fit$par)))
    again <- glmmTMB(formula, data, family = binomial, control = control, start = split(unname(found), names(best$fit$par)))
    if (max(abs(again$obj$gr(again$fit$par))) >= max(abs(best$obj$gr(best$fit$par)))) break
    best <- again
  }
  best
}
integrated <- function(eta, sd) {
  if (sd == 0) return(plogis(eta))
  integrate(function(z) plogis(eta + sd * z) * dnorm(z), -Inf, Inf, rel.tol = 1e-11, subdivisions = 500)$value
}
# sd of the random part in rows of a frame; theta as glmmTMB has it: log sds, then one parameter of each correlation.
random_sd <- function(theta, terms, frame) {
  variance <- numeric(nrow(frame)); at <- 1
  for (slope in terms) {
    if (is.na(slope)) { variance <- variance + exp(2 * theta[at]); at <- at + 1; next }
    sds <- exp(theta[at + 0:1]); t <- theta[at + 2]; at <- at + 3; x <- frame[[slope]]
    variance <- variance + sds[1]^2 + 2 * x * sds[1] * sds[2] * t / sqrt(1 + t^2) + x^2 * sds[2]^2
  }
  sqrt(variance)
}
# contrasts: name -> list of (weight, function that changes the frame); groups: name -> rows.
effects <- function(model, data, weights, terms, contrasts, groups = list(all = TRUE)) {
  fixed <- lme4::nobars(formula(model))[-2]
  design <- function(frame) model.matrix(fixed, frame)
  parameters <- model$fit$par
  kind <- names(parameters)
  value <- function(par, scale) {
    unlist(lapply(groups, function(rows) sapply(contrasts, function(parts) sum(sapply(parts, function(part) {
      frame <- part[[2]](data)[rows, , drop = FALSE]
      eta <- as.numeric(design(frame) %*% par[kind == "beta"])
      sd <- if (scale == "conditional") 0 * eta else random_sd(par[kind == "theta"], terms, frame)
      key <- paste(signif(eta, 15), signif(sd, 15)); one <- !duplicated(key)
      p <- mapply(integrated, eta[one], sd[one])[match(key, key[one])]
      part[[1]] * weighted.mean(p, weights[rows])
    })))))
  }
  covariance <- vcov(model, full = TRUE)
  result <- list()
  for (scale in c("conditional", "probability")) {
    jacobian <- sapply(seq_along(parameters), function(k) {
      step <- replace(numeric(length(parameters)), k, 1e-3)
      (8 * (value(parameters + step, scale) - value(parameters - step, scale)) -
        (value(parameters + 2 * step, scale) - value(parameters - 2 * step, scale))) / (12 * 1e-3)
    })
    estimate <- value(parameters, scale)
    jacobian <- matrix(jacobian, length(estimate)); b <- kind == "beta"
    result[[scale]] <- list(name = names(estimate), estimate = unname(estimate),
      se = sqrt(diag(jacobian %*% covariance %*% t(jacobian))),
      se_fixed = sqrt(diag(jacobian[, b] %*% covariance[b, b] %*% t(jacobian[, b]))))
  }
  c(list(loglik = as.numeric(logLik(model))), result)
}
to <- function(column, level) function(frame) { frame[[column]] <- factor(level, levels(frame[[column]])); frame }
by <- function(column, step) function(frame) { frame[[column]] <- frame[[column]] + step; frame }
versus <- function(column, levels, reference) setNames(lapply(levels, function(level)
  list(list(1, to(column, level)), list(-1, to(column, reference)))), paste(levels, "-", reference))
slope <- function(column, h = 1e-3) list(list(8 / (12 * h), by(column, h)), list(-8 / (12 * h), by(column, -h)),
  list(-1 / (12 * h), by(column, 2 * h)), list(1 / (12 * h), by(column, -2 * h)))
unit <- function(column) list(list(1, by(column, 1)), list(-1, by(column, 0)))

bootstrapped <- function(model, statistic, count) {
  drawn <- lme4::bootMer(model, statistic, nsim = count, seed = 1)
  values <- drawn$t[stats::complete.cases(drawn$t), , drop = FALSE]
  quantiles <- apply(values, 2, quantile, c(0.025, 0.25, 0.5, 0.75, 0.975))
  list(name = colnames(values), count = nrow(values), estimate = unname(drawn$t0), mean = unname(colMeans(values)),
       sd = unname(apply(values, 2, sd)), quantiles = lapply(seq_len(ncol(values)), function(k) unname(quantiles[, k])))
}
cases <- list(
  cbpp = function() {
    data <- frame_of("cbpp", c("herd", "period"))
    model <- tight(cbind(incidence, size - incidence) ~ period + (1 | herd), data)
    effects(model, data, data$size, NA, versus("period", c("2", "3", "4"), "1"))
  },
  verbagg = function() {
    data <- frame_of("verbagg", c("item", "id"))
    model <- tight(r2 ~ Anger + Gender * btype + situ + (1 | id) + (1 | item), data)
    effects(model, data, rep(1, nrow(data)), c(NA, NA),
      c(versus("btype", c("scold", "shout"), "curse"), list(Anger = slope("Anger"), "Anger + 1" = unit("Anger"))),
      list(F = data$Gender == "F", M = data$Gender == "M"))
  },
  slopes = function() {
    data <- frame_of("slopes", c())
    model <- tight(yes ~ system + score + x + (1 + x | item) + (1 | persona), data)
    effects(model, data, rep(1, nrow(data)), c("x", NA),
      c(versus("system", setdiff(levels(data$system), "small"), "small"), list(x = slope("x"), score = slope("score"))))
  },
  sleepstudy_bootstrap = function() {
    model <- lme4::lmer(Reaction ~ Days + (1 + Days | Subject), frame_of("sleepstudy", "Subject"), REML = FALSE)
    bootstrapped(model, function(one) c(lme4::fixef(one), as.data.frame(lme4::VarCorr(one))$sdcor[c(1, 2, 4)] |>
      setNames(c("sd.Intercept", "sd.Days", "sd.residual"))), 4000)
  },
  cbpp_bootstrap = function() {
    data <- frame_of("cbpp", c("herd", "period"))
    model <- lme4::glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), data, family = binomial)
    bootstrapped(model, function(one) c(lme4::fixef(one), sd.herd = lme4::getME(one, "theta")[[1]]), 2000)
  })
only <- intersect(arguments, names(cases))
chosen <- if (length(only)) only else names(cases)
results <- setNames(lapply(chosen, function(name) { message(name); cases[[name]]() }), chosen)
results$versions <- list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")),
                         lme4 = as.character(packageVersion("lme4")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("effects.json"))
