# Fits the golden mixed models and writes mixed_models.json beside this file.
#   Rscript make_mixed_models.R          all cases
#   Rscript make_mixed_models.R cbpp -   one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-glmmtmb, r-cran-emmeans and r-cran-jsonlite. `--data` also rewrites
# verbagg.csv.gz and cbpp.csv from lme4.
suppressPackageStartupMessages({library(glmmTMB); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

if ("--data" %in% arguments) {
  verbagg <- lme4::VerbAgg[, c("Anger", "Gender", "item", "id", "btype", "situ", "r2")]
  verbagg$r2 <- as.integer(verbagg$r2 == "Y")
  file <- gzfile(here("verbagg.csv.gz"), "w", compression = 9)
  write.csv(verbagg, file, row.names = FALSE, quote = FALSE); close(file)
  write.csv(lme4::cbpp, here("cbpp.csv"), row.names = FALSE, quote = FALSE)
}

simulated <- function(name) {
  frame <- read.csv(here(paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  if ("template" %in% names(frame)) contrasts(frame$template) <- contr.sum(nlevels(frame$template))
  frame
}
# The default optimiser stops early; a second run from its end with a tight tolerance finds the optimum.
fit <- function(formula, data) {
  control <- glmmTMBControl(rank_check = "adjust", optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-13, x.tol = 1e-12))
  first <- glmmTMB(formula, data, family = binomial, control = control)
  parameters <- first$fit$par
  start <- list(beta = unname(parameters[names(parameters) == "beta"]),
                theta = unname(parameters[names(parameters) == "theta"]))
  again <- tryCatch(glmmTMB(formula, data, family = binomial, control = control, start = start), error = function(e) first)
  if (isTRUE(as.numeric(logLik(again)) >= as.numeric(logLik(first)))) again else first
}
summarised <- function(model, formula) {
  table <- summary(model)$coefficients$cond
  variances <- VarCorr(model)$cond
  list(formula = formula, rows = nobs(model), loglik = as.numeric(logLik(model)), df = attr(logLik(model), "df"),
       coefficients = list(name = rownames(table), estimate = unname(table[, 1]), standard_error = unname(table[, 2]),
                           p = unname(table[, 4])),
       sd = lapply(variances, function(v) as.numeric(attr(v, "stddev"))))
}
text_a <- "yes ~ persona * system + template + (1|item) + (1|item:system) + (1|item:persona) + (1|persona:template) + (1|persona:template:system)"
text_b <- "yes ~ group * system + (1|item) + (1|item:system) + (1|persona) + (1|persona:system)"
text_rare <- "yes ~ persona * system + template + (1|item) + (1|item:persona) + (1|persona:template)"
text_verbagg <- "r2 ~ Anger + Gender + btype + situ + (1|id) + (1|item)"
text_cbpp <- "cbind(incidence, size - incidence) ~ period + (1|herd)"

means_of <- function(model) {
  suppressPackageStartupMessages(library(emmeans))
  emm_options(rg.limit = 50000)
  plain <- function(x, columns) { frame <- as.data.frame(summary(x, infer = c(TRUE, TRUE), adjust = "none")); frame[, intersect(columns, names(frame))] }
  columns <- c("persona", "system", "contrast", "emmean", "prob", "response", "estimate", "SE", "p.value")
  link <- emmeans(model, ~ persona | system, df = Inf)
  response <- emmeans(regrid(ref_grid(model, df = Inf), transform = "response"), ~ persona | system)
  scale <- function(means) {
    reference <- contrast(means, "trt.vs.ctrl", ref = "control")
    list(means = plain(means, columns), versus_control = plain(reference, columns),
         pairs = plain(contrast(means, "revpairwise"), columns),
         change = plain(contrast(update(reference, by = "contrast"), "revpairwise", by = "contrast"), c("contrast", "contrast1", "estimate", "SE", "p.value")))
  }
  list(link = scale(link), conditional = scale(response),
       holm = summary(contrast(link, "trt.vs.ctrl", ref = "control"), by = NULL, adjust = "holm")$p.value)
}
cases <- list(
  cbpp = function() summarised(fit(as.formula(text_cbpp), transform(read.csv(here("cbpp.csv")), period = factor(period))), text_cbpp),
  verbagg = function() summarised(fit(as.formula(text_verbagg), read.csv(here("verbagg.csv.gz"), stringsAsFactors = TRUE)), text_verbagg),
  model_a = function() {
    frame <- simulated("model_a")
    model <- fit(as.formula(text_a), frame)
    smaller <- fit(update(as.formula(text_a), . ~ . - persona:system), frame)
    c(summarised(model, text_a), list(emmeans = means_of(model),
      interaction = list(chisq = 2 * as.numeric(logLik(model) - logLik(smaller)), df = 6)))
  },
  model_b = function() summarised(fit(as.formula(text_b), simulated("model_b")), text_b),
  rare = function() summarised(fit(as.formula(text_rare), simulated("rare")), text_rare))

only <- intersect(arguments, names(cases))
results <- lapply(cases[if (length(only)) only else names(cases)], function(case) case())
results$versions <- list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")),
                         lme4 = as.character(packageVersion("lme4")), emmeans = as.character(packageVersion("emmeans")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, dataframe = "columns", pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("mixed_models.json"))
