# Fits model B of errors by target and model C against people; writes people_models.json beside this file.
#   Rscript make_people_models.R            both
#   Rscript make_people_models.R people -   one case, printed instead of written
# Needs Debian's r-cran-glmmtmb and r-cran-jsonlite, and errors.csv.gz and people.csv.gz (write_people_designs.py).
suppressPackageStartupMessages({library(glmmTMB); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

# The default optimiser stops early; a second run from its end with a tight tolerance finds the optimum.
fit <- function(formula, data) {
  control <- glmmTMBControl(optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-13, x.tol = 1e-12))
  first <- glmmTMB(formula, data, family = binomial, control = control)
  found <- first$fit$par
  start <- list(beta = unname(found[names(found) == "beta"]), theta = unname(found[names(found) == "theta"]))
  again <- tryCatch(glmmTMB(formula, data, family = binomial, control = control, start = start), error = function(e) first)
  if (isTRUE(as.numeric(logLik(again)) >= as.numeric(logLik(first)))) again else first
}
summarised <- function(model) {
  table <- summary(model)$coefficients$cond
  list(rows = nobs(model), loglik = as.numeric(logLik(model)), df = attr(logLik(model), "df"),
       coefficients = list(estimate = unname(table[, 1]), standard_error = unname(table[, 2])),
       sd = lapply(VarCorr(model)$cond, function(v) as.numeric(attr(v, "stddev"))))
}
# Wald's chi-square of the interaction, from the coefficients and their covariance.
interaction_test <- function(model) {
  beta <- fixef(model)$cond
  at <- grep("^group[0-9]+:target", names(beta))
  list(chisq = as.numeric(beta[at] %*% solve(vcov(model)$cond[at, at], beta[at])), df = length(at))
}
cases <- list(
  errors = function() {
    frame <- read.csv(here("errors.csv.gz"), stringsAsFactors = TRUE)
    for (name in c("group", "target", "system", "template")) contrasts(frame[[name]]) <- contr.sum(nlevels(frame[[name]]))
    model <- fit(error ~ group * target + system + template + (1 | item) + (1 | item:group) + (1 | persona) +
      (1 | persona:target) + (1 | item:system) + (1 | persona:system) + (1 | item:persona), frame)
    c(summarised(model), list(interaction = interaction_test(model)))
  },
  people = function() {
    frame <- read.csv(here("people.csv.gz"), stringsAsFactors = TRUE)
    frame$source <- relevel(frame$source, "people")
    summarised(fit(yes ~ source + (1 | item) + (1 | item:source) + (0 + human | annotator), frame))
  })
only <- intersect(arguments, names(cases))
results <- lapply(cases[if (length(only)) only else names(cases)], function(case) case())
results$versions <- list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("people_models.json"))
